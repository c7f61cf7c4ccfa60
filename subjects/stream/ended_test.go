package stream

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// feed has n bytes arrive from offset on and returns where they end.
func (c *scene) feed(offset uint64, n int) uint64 {
	for ; n > 0; n -= 32_000 {
		k := min(n, 32_000)
		c.e.Receive(c.p, dataAck(0, 7, offset, 5, limit, long(k)))
		offset += uint64(k)
	}
	return offset
}

// growWindow has the stream's window grow to four times its first size. It
// returns how far the peer has got; all of that has been read.
func (c *scene) growWindow() (offset uint64) {
	c.t.Helper()
	c.p.rtt.Sample(int64(time.Second), c.e.now())
	for range 100 {
		offset = c.feed(offset, limit/4) // a quarter of the window at a time is sure to have credit
		if _, err := io.CopyN(io.Discard, readerOnly{c.s}, limit/4); err != nil {
			c.t.Fatal(err)
		}
		if c.e.grown.Load() >= 3*limit {
			return offset
		}
	}
	c.t.Fatal("the window has not grown")
	return 0
}

// TestReadingAfterTheEndGivesNoCredit: bytes that had arrived before the peer reset
// the stream can still be read, but nothing more will come.
func TestReadingAfterTheEndGivesNoCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, true)
		defer c.e.Close()
		c.feed(c.growWindow(), limit)
		c.says()
		c.e.Receive(c.p, reset(7, subjects.CodeUpstream))
		c.says() // confirms it
		if n, err := c.s.WriteTo(io.Discard); n != limit || subjects.CodeOf(err) != subjects.CodeUpstream {
			t.Errorf("read %d bytes, %v; want %d and the reset", n, err, limit)
		}
		if got := c.says(); got != "" {
			t.Errorf("said %q of a stream that has ended", got)
		}
		if n := c.e.grown.Load(); n != 0 {
			t.Errorf("%d bytes of windows are held by a stream that has ended", n)
		}
	})
}

// TestUnreadBytesOfEndedStreamsAreBounded: the unread bytes of a stream that the peer
// has ended or reset are kept for a reader that has stopped. They count like grown
// windows, since otherwise a peer could fill one window after another.
func TestUnreadBytesOfEndedStreamsAreBounded(t *testing.T) {
	for _, end := range []string{"end", "reset"} {
		for _, over := range []string{"read", "closed"} {
			t.Run(end+" "+over, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newScene(t, true)
					defer c.e.Close()
					offset := c.feed(c.growWindow(), 3*limit)
					if end == "end" {
						_ = c.s.CloseWrite()
						c.e.Receive(c.p, dataAck(fin, 7, offset, 6, limit, ""))
					} else {
						c.e.Receive(c.p, reset(7, subjects.CodeUpstream))
					}
					if c.p.lookup(7) != nil {
						t.Fatal("the stream has not ended")
					}
					if n := c.e.grown.Load(); n < 2*limit {
						t.Errorf("%d bytes count while %d are kept and %d are every stream's own", n, c.s.Buffered(), limit)
					}
					if over == "closed" {
						c.s.Close()
					} else if n, _ := c.s.WriteTo(io.Discard); n != 3*limit {
						t.Errorf("read %d bytes, want %d", n, 3*limit)
					}
					if n := c.e.grown.Load(); n != 0 {
						t.Errorf("%d bytes count once everything is %s", n, over)
					}
				})
			})
		}
	}
}

// TestResetIsNeverTakenForForgotten: a frame that arrives just when a stream is reset
// finds either the stream or its reset. In between it would be answered with CLOSED,
// and the peer would not learn that nothing was executed.
func TestResetIsNeverTakenForForgotten(t *testing.T) {
	streams := make(chan *Stream, 1)
	e, p, l := alone(t, Config{Handler: func(s *Stream) {
		streams <- s
		<-s.Context().Done()
	}})
	defer e.Close()
	e.Receive(p, data(open, 7, 0, "post"))
	s := <-streams
	_ = s.Context() // makes s.cancel, which comes once the stream has left the table
	left, goOn := make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	cancel := s.cancel
	s.cancel = func(cause error) {
		close(left)
		<-goOn
		cancel(cause)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.Reset(subjects.CodeUnreachable, "")
		close(done)
	}()
	<-left
	if p.lookup(7) != nil {
		t.Fatal("the stream has not left the table")
	}
	e.Receive(p, data(0, 7, 4, ", body"))
	close(goOn)
	<-done
	e.Close() // sends what waits
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.msgs {
		if got := describe(m); strings.Contains(got, "ACK 7 closed") {
			t.Errorf("said %q while the stream was being reset", got)
		}
	}
}
