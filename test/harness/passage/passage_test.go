package passage

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back each line.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestPassage(t *testing.T) {
	p := New(t, echo(t))
	at := p.Address()
	for range 3 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		say := func(answers time.Duration) error {
			_ = c.SetReadDeadline(time.Now().Add(answers))
			if _, err := io.WriteString(c, "hello\n"); err != nil {
				return err
			}
			_, err := r.ReadString('\n')
			return err
		}
		if err := say(time.Minute); err != nil {
			t.Errorf("open: %v", err)
		}
		p.Stall()
		if err := say(200 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("stalled: %v, want no answer", err)
		}
		p.Resume()
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
			t.Errorf("resumed: %q, %v, want what was sent before", line, err)
		}
		p.Stall()
		p.Close()
		if err := say(time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("closed: %v, want the end of the connection", err)
		}
		if _, err := net.Dial("tcp", at); err == nil {
			t.Error("a closed passage takes connections")
		}
		_ = c.Close()
		p.Resume()
		if p.Open(t); p.Address() != at {
			t.Errorf("open again at %s, not %s", p.Address(), at)
		}
	}
}
