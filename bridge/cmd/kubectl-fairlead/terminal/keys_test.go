package terminal

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestControlC ends a session where nobody else would get it, and is the session's otherwise.
func TestControlC(t *testing.T) {
	for name, c := range map[string]struct {
		before func(k *Keys)
		gives  bool
	}{
		"before the session has begun": {func(*Keys) {}, true},
		"in a session":                 {func(k *Keys) { k.take(t) }, false},
		"right after a loss":           {func(k *Keys) { k.take(t); k.Lost(); time.Sleep(noticed - 1) }, false},
		"after a loss":                 {func(k *Keys) { k.take(t); k.Lost(); time.Sleep(noticed) }, true},
		"after the connection is back": {func(k *Keys) { k.take(t); k.Lost(); time.Sleep(time.Hour); k.Back() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, user := io.Pipe()
				given := 0
				k := ReadKeys(in, func() { given++ })
				_, _ = user.Write([]byte("x"))
				c.before(k)
				_, _ = user.Write([]byte("\x03"))
				synctest.Wait()
				if (given == 1) != c.gives {
					t.Errorf("given up %d times", given)
				}
				_ = user.CloseWithError(io.ErrUnexpectedEOF)
				k.Close()
				b, err := io.ReadAll(k)
				if c.gives != (err == nil) || !c.gives && string(b) != "\x03" {
					t.Errorf("the session got %q, %v", b, err)
				}
			})
		})
	}
}

// take is the session, which has got the first key.
func (k *Keys) take(t *testing.T) {
	if n, err := k.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestKeysAreKept: what is typed before a session has begun comes to it, in order, and Ctrl-C
// is heard behind it.
func TestKeysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, user := io.Pipe()
		given := false
		k := ReadKeys(in, func() { given = true })
		defer k.Close()
		for range maxTyped / 2 {
			_, _ = user.Write([]byte("ab"))
		}
		small := make([]byte, 1)
		for i := range maxTyped {
			if _, err := k.Read(small); err != nil || small[0] != "ab"[i%2] {
				t.Fatalf("byte %d: %q, %v", i, small, err)
			}
		}
		k.Lost()
		for range maxTyped / 2 {
			_, _ = user.Write([]byte("ab"))
		}
		time.Sleep(noticed)
		_, _ = user.Write([]byte("\x03"))
		synctest.Wait()
		if !given {
			t.Error("Ctrl-C is not heard")
		}
	})
}
