package resume

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCut = errors.New("the network was cut")

// wire is one direction of a network that is cut after some messages, of which it loses
// those that have not arrived.
type wire struct {
	messages chan []byte
	cut      <-chan struct{}
}

// side is a transport of two wires.
type side struct{ to, from wire }

func (s side) Send(ctx context.Context, b []byte) error {
	select {
	case <-s.to.cut:
		return errCut
	default:
	}
	select {
	case s.to.messages <- bytes.Clone(b):
		return nil
	case <-s.to.cut:
		return errCut
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (side) Close() {}

func (s side) Receive(ctx context.Context) ([]byte, error) {
	select {
	case b := <-s.from.messages:
		return b, nil
	case <-s.from.cut:
		return nil, errCut
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newWires(cut <-chan struct{}) (a, b side) {
	there, back := wire{make(chan []byte, 8), cut}, wire{make(chan []byte, 8), cut}
	return side{there, back}, side{back, there}
}

// network attaches both ends to each other until they need it no more. next returns when an
// attachment is cut.
func network(a, b *Conn, next func() <-chan struct{}) (attachments int) {
	for attachments = 0; (!a.Done() || !b.Done()) && a.Err() == nil && b.Err() == nil; attachments++ {
		cut := make(chan struct{})
		cutOnce := sync.OnceFunc(func() { close(cut) })
		atA, atB := newWires(cut)
		stop := next()
		var both sync.WaitGroup
		fromA, fromB := a.Received(), b.Received()
		both.Go(func() { _ = a.Attach(context.Background(), atA, fromB); cutOnce() })
		both.Go(func() { _ = b.Attach(context.Background(), atB, fromA); cutOnce() })
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			select {
			case <-stop:
				cutOnce()
			case <-cut:
			}
		}()
		both.Wait()
		<-gone
	}
	return attachments
}

// never is the network that is not cut.
func never() <-chan struct{} { return nil }

func newPair() (a, b *Conn) {
	return New(Config{Ping: 5 * time.Second, Silence: 12 * time.Second}), New(Config{Silence: 30 * time.Second})
}

// TestNothingIsLostAndNothingTwice: both directions are whole, however often the network is
// cut in their midst.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPair()
		const size = 6 * Window
		var all sync.WaitGroup
		send := func(c *Conn, seed uint64) {
			r := rand.New(rand.NewPCG(seed, 1))
			h := sha256.New()
			for left := size; left > 0; {
				part := make([]byte, min(left, 1+r.IntN(100<<10)))
				for i := range part {
					part[i] = byte(r.Uint32())
				}
				h.Write(part)
				if n, err := c.Write(part); n != len(part) || err != nil {
					t.Errorf("wrote %d of %d: %v", n, len(part), err)
					return
				}
				left -= len(part)
				time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
			sums.Store(seed, [32]byte(h.Sum(nil)))
		}
		receive := func(c *Conn, seed uint64) {
			h := sha256.New()
			n, err := io.Copy(h, c)
			if n != size || err != nil {
				t.Errorf("received %d of %d: %v", n, size, err)
			}
			sums.Store(seed+10, [32]byte(h.Sum(nil)))
		}
		all.Go(func() { send(a, 1) })
		all.Go(func() { receive(b, 1) })
		all.Go(func() { send(b, 2) })
		all.Go(func() { receive(a, 2) })
		n := network(a, b, func() <-chan struct{} { return after(time.Duration(1+rand.IntN(20)) * time.Millisecond) })
		all.Wait()
		for seed := range uint64(2) {
			sent, _ := sums.Load(seed + 1)
			got, _ := sums.Load(seed + 11)
			if sent == nil || sent != got {
				t.Errorf("direction %d is not what was sent", seed+1)
			}
		}
		if n < 5 {
			t.Errorf("the network was cut %d times: too few to show anything", n)
		}
		t.Logf("%d attachments", n)
	})
}

var sums sync.Map

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// TestEnds: each way to end looks at the other end as with TCP, after the bytes before it.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*Conn)
		read error // after the bytes; nil: in order
		dead bool  // what the other end writes goes nowhere
	}{
		"half":   {func(c *Conn) { _ = c.CloseWrite() }, nil, false},
		"closed": {func(c *Conn) { _ = c.Close() }, nil, true},
		"broken": {func(c *Conn) { _ = c.SetLinger(0); _ = c.Close() }, syscall.ECONNRESET, true},
		"half, then closed": {func(c *Conn) {
			_ = c.CloseWrite()
			_ = c.Close()
		}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newPair()
				text := strings.Repeat("0123456789", 10_000)
				if _, err := io.WriteString(a, text); err != nil {
					t.Fatal(err)
				}
				c.end(a)
				go network(a, b, func() <-chan struct{} { return after(3 * time.Millisecond) })
				got, err := io.ReadAll(b)
				if string(got) != text || !errors.Is(err, c.read) {
					t.Errorf("got %d bytes of %d, %v", len(got), len(text), err)
				}
				_, err = b.Write([]byte("answer"))
				if !c.dead {
					if err != nil {
						t.Fatal(err)
					}
					answer := make([]byte, 6)
					if _, err := io.ReadFull(a, answer); err != nil || string(answer) != "answer" {
						t.Errorf("got %q, %v", answer, err)
					}
				} else if !errors.Is(err, syscall.EPIPE) {
					t.Errorf("a write to an end that reads no more: %v", err)
				}
				_, _ = b.Close(), a.Close()
				a.Wait(nil)
				b.Wait(nil)
			})
		})
	}
}

// TestTheWindowHoldsUpAWriter: what is not consumed is bounded, and a reader frees it.
func TestTheWindowHoldsUpAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPair()
		go network(a, b, never)
		if n, err := a.Write(make([]byte, Window)); n != Window || err != nil {
			t.Fatal(n, err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		if n, err := a.Write([]byte{1}); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("wrote %d beyond the window after %v: %v", n, time.Since(start), err)
		}
		_ = a.SetWriteDeadline(time.Time{})
		if n, err := io.ReadFull(b, make([]byte, Window/2)); err != nil {
			t.Fatal(n, err)
		}
		if n, err := a.Write(make([]byte, Window/4)); n != Window/4 || err != nil {
			t.Errorf("after a read wrote %d: %v", n, err)
		}
		_, _ = a.Close(), b.Close()
		a.Wait(nil)
	})
}

// TestDeadlines: they can be moved while a call waits, and undone.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Silence: time.Minute})
		read := make(chan error)
		go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		_ = a.SetReadDeadline(time.Unix(1, 0))
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		var timeout net.Error
		_, err := a.Read(make([]byte, 1))
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no time-out of package net", err)
		}
		_ = a.SetReadDeadline(time.Now().Add(time.Second))
		go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		_ = a.SetReadDeadline(time.Time{})
		time.Sleep(time.Hour)
		_ = a.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after an hour: %v", err)
		}
	})
}

// TestASilentAttachmentIsLost: an end that answers no pings is given up, and one that does
// is not.
func TestASilentAttachmentIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPair()
		start := time.Now()
		dead, _ := newWires(nil)
		if err := a.Attach(t.Context(), dead, 0); !errors.Is(err, errSilent) || time.Since(start) != 12*time.Second {
			t.Errorf("given up after %v: %v", time.Since(start), err)
		}
		cut := make(chan struct{})
		atA, atB := newWires(cut)
		ended := make(chan error, 2)
		go func() { ended <- a.Attach(t.Context(), atA, 0) }()
		go func() { ended <- b.Attach(t.Context(), atB, 0) }()
		time.Sleep(time.Hour)
		select {
		case err := <-ended:
			t.Errorf("an idle attachment ended: %v", err)
		default:
		}
		close(cut)
		for range 2 {
			if err := <-ended; !errors.Is(err, errCut) {
				t.Error(err)
			}
		}
	})
}

// TestALaterAttachmentTakesOver: the one before ends, and what it had sent arrives once.
func TestALaterAttachmentTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPair()
		stuck, _ := newWires(nil)
		first := make(chan error)
		go func() { first <- a.Attach(t.Context(), stuck, 0) }()
		if _, err := a.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is sent, and will not arrive
		go network(a, b, never)
		got := make([]byte, 5)
		if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		if err := <-first; !errors.Is(err, errReplaced) {
			t.Errorf("the first attachment ended with %v", err)
		}
		_, _ = a.Close(), b.Close()
		a.Wait(nil)
	})
}

// TestAnEndThatReadsNoMoreMayLackBytes: what it has not received when it attaches again is
// nothing that it needs, and it learns that its own end has arrived.
func TestAnEndThatReadsNoMoreMayLackBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newPair()
		if _, err := a.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := a.take(message{kind: closed}); err != nil { // and the answer to it is lost
			t.Fatal(err)
		}
		b := &script{}
		if err := a.Attach(t.Context(), b, 2); !errors.Is(err, ErrUnconfirmed) || a.Err() != nil {
			t.Errorf("attachment %v, connection %v", err, a.Err())
		}
		if want := of(consumed, 1, ""); len(b.sent) != 1 || !bytes.Equal(b.sent[0], want) {
			t.Errorf("sent %q, want %q alone", b.sent, want)
		}
	})
}
