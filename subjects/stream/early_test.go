package stream

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestResponseOutlivesReset: a response that has arrived completely can be read, even
// if the peer goes away before that.
func TestResponseOutlivesReset(t *testing.T) {
	for _, how := range []string{"reset", "peer gone", "link lost"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, p, l := alone(t, Config{})
				defer e.Close()
				s, err := e.Open(t.Context(), "other", []byte("long upload"), false)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				e.Receive(p, dataAck(fin, s.ID(), 0, 11, subjects.InitialWindow, "413"))
				switch how {
				case "reset":
					e.Receive(p, reset(s.ID(), subjects.CodeShutdown))
				case "peer gone":
					e.Peer("other").fail(subjects.CodePeerLost, "")
				case "link lost":
					e.LinkDown()
					time.Sleep(2 * time.Minute)
				}
				l.take()
				if _, err := s.Write([]byte("more")); subjects.CodeOf(err) == 0 {
					t.Errorf("write gave %v, want a reset", err)
				}
				if got, err := io.ReadAll(s); string(got) != "413" || err != nil {
					t.Errorf("read %q, %v; want the whole response", got, err)
				}
			})
		})
	}
}

// TestEarlyAnswerToLargeHead: the acceptor may answer before it has taken all
// of a head that is larger than its window.
func TestEarlyAnswerToLargeHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			_, _ = s.Next()
			_ = s.WriteFinal([]byte("431"))
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", make([]byte, 1<<20), true)
		if err != nil {
			t.Fatalf("the answer is lost: %v", err)
		}
		defer s.Close()
		if got, err := io.ReadAll(s); string(got) != "431" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestLargeHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond, drop: 0.05}, echo)
		defer p.close()
		head := noise(1<<20, 1)
		opened := make(chan *Stream)
		go func() {
			// Echo needs a reader, and Open returns when all is taken.
			s, err := p.opener.Open(t.Context(), "agent", head[:300<<10], true)
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		s := <-opened
		defer s.Close()
		if got, err := io.ReadAll(s); string(got) != string(head[:300<<10]) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.down.losing(func([]byte) bool { return true })
		if _, err := p.opener.Open(ctx, "agent", head, true); subjects.CodeOf(err) != subjects.CodeTimeout {
			t.Errorf("Open of a head that does not get through: %v, want a timeout", err)
		}
	})
}
