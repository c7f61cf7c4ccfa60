package stream

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestStaleUnknown: an answer of UNKNOWN to a frame that came before the opening can
// come after the opening's own acknowledgement, if it waited behind other messages.
// It must not end a working stream.
func TestStaleUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, l := alone(t, Config{})
		defer e.Close()
		s, err := e.Open(t.Context(), "other", []byte("hello"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l.take()
		e.Receive(p, dataAck(0, s.ID(), 0, 6, limit, "wor"))
		unknown := ack(subjects.Ack{Stream: s.ID(), Flags: subjects.AckUnknown})
		e.Receive(p, unknown)
		e.Receive(p, unknown)
		if err := s.Err(); err != nil {
			t.Fatalf("a stream that had been answered ended: %v", err)
		}
		time.Sleep(probeAfter + scanInterval)
		if got, want := l.says(), describe(probe(subjects.Probe{Stream: s.ID(), Sent: 6})); !strings.Contains(got, want) {
			t.Errorf("said %q, want %q in it", got, want)
		}
		e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Ack: 6, Limit: limit}))
		e.Receive(p, unknown) // another late one
		e.Receive(p, dataAck(fin, s.ID(), 3, 6, limit, "ld"))
		if b, err := io.ReadAll(s); string(b) != "world" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
	})
}

// TestUnknownOvertaken: an UNKNOWN is not sent once the opening has arrived.
func TestUnknownOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &hanging{}
		e := New(Config{Handler: func(s *Stream) { <-s.Context().Done() }}, l)
		defer e.Close()
		p := e.AddPeer("other")
		l.once.Store(int64(time.Second))
		e.Receive(p, probe(subjects.Probe{Stream: 1})) // its answer takes a second
		synctest.Wait()
		e.Receive(p, data(0, 7, 5, "later"))
		e.Receive(p, data(open, 7, 0, "hello"))
		time.Sleep(2 * time.Second)
		if got := l.says(); strings.Contains(got, "ACK 7 unknown") {
			t.Errorf("said %q of a stream that is open", got)
		}
	})
}

// TestUnknownInEarnest: a peer that has lost a stream ends it, also where it
// had only said that it wants no more.
func TestUnknownInEarnest(t *testing.T) {
	for _, how := range []string{"acknowledged", "stopped", "answered"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newScene(t, true)
				defer c.e.Close()
				switch how {
				case "acknowledged":
					c.e.Receive(c.p, ack(subjects.Ack{Stream: 7, Ack: 5}))
				case "stopped":
					c.e.Receive(c.p, ack(subjects.Ack{Stream: 7, Flags: subjects.AckStop}))
				case "answered":
					c.e.Receive(c.p, data(0, 7, 0, "x"))
				}
				c.says()
				for range 2 {
					c.e.Receive(c.p, ack(subjects.Ack{Stream: 7, Flags: subjects.AckUnknown}))
					if got := c.says(); strings.Contains(got, "DATA") {
						t.Errorf("sent again to a peer that had it: %q", got)
					}
					time.Sleep(2 * time.Second)
				}
				if got := subjects.CodeOf(c.s.Err()); got != subjects.CodeUnknownOutcome {
					t.Errorf("the stream ended with %v, want outcome-unknown", got)
				}
			})
		})
	}
}

// TestNothingIsAskedForNobody: a side that waits for nothing asks only at the
// regular times.
func TestNothingIsAskedForNobody(t *testing.T) {
	for _, how := range []string{"stopped", "deadline"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newScene(t, true)
				defer c.e.Close()
				answer := subjects.Ack{Stream: 7, Ack: 5, Limit: limit}
				switch how {
				case "stopped":
					answer.Flags = subjects.AckStop
					c.e.Receive(c.p, ack(answer))
					c.e.Receive(c.p, dataAck(0, 7, 0, 3, limit, "x"))
				case "deadline":
					_ = c.s.SetWriteDeadline(time.Now().Add(time.Second))
					n, _ := c.s.Write(make([]byte, 2*limit))
					answer.Ack += uint64(n)
				}
				asked := 0
				for range 240 { // a minute, in which the peer answers
					for _, m := range c.l.take() {
						if isType(m, subjects.FrameProbe) {
							asked++
							c.e.Receive(c.p, ack(answer))
						}
						c.p.lastHeard.Store(c.e.now())
					}
					time.Sleep(scanInterval)
				}
				if asked > 3 {
					t.Errorf("asked %d times in a minute, want every 30 s", asked)
				}
			})
		})
	}
}
