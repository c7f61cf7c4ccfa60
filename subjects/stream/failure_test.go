package stream

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestCancelReachesThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			<-s.Context().Done()
			ended <- context.Cause(s.Context())
		})
		defer p.close()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := p.opener.Open(ctx, "agent", []byte("watch"), true)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			cancel()
		}()
		if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Errorf("reader got %v, want canceled", err)
		}
		at := time.Now()
		if cause := <-ended; subjects.CodeOf(cause) != subjects.CodeCanceled {
			t.Errorf("handler's cause is %v, want canceled", cause)
		}
		if d := time.Since(at); d > time.Second {
			t.Errorf("the cancellation took %v", d)
		}
		p.empty(t)
	})
}

func TestCancelSurvivesLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond, drop: 0.5}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		for range 200 {
			s, err := p.opener.Open(t.Context(), "agent", []byte("watch"), true)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		time.Sleep(time.Minute)
		p.empty(t)
		peer := p.opener.AddPeer("agent")
		peer.mu.Lock()
		defer peer.mu.Unlock()
		if n := len(peer.work.unconfirmed); n > 0 {
			t.Errorf("%d resets still unconfirmed after a minute", n)
		}
	})
}

func TestDeadPeerIsNoticedWithin30s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handlerErr atomic.Value
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			<-s.Context().Done()
			handlerErr.Store(context.Cause(s.Context()))
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("watch"), true)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s.Err() != nil {
			t.Fatalf("a quiet stream ended: %v", s.Err())
		}
		// Both wires go dead; neither side's own connection notices.
		p.down.cut(0, 0)
		p.up.cut(0, 0)
		start := time.Now()
		_, err = s.Next()
		if subjects.CodeOf(err) != subjects.CodePeerLost {
			t.Errorf("got %v, want peer-lost", err)
		}
		if d := time.Since(start); d > 31*time.Second {
			t.Errorf("noticed after %v", d)
		}
		time.Sleep(3 * time.Second)
		if cause, _ := handlerErr.Load().(error); subjects.CodeOf(cause) != subjects.CodePeerLost {
			t.Errorf("the accepting side's cause is %v", cause)
		}
		p.empty(t)
	})
}

func TestOutage(t *testing.T) {
	for _, tc := range []struct {
		outage time.Duration
		lost   bool
	}{{50 * time.Second, false}, {70 * time.Second, true}} {
		t.Run(tc.outage.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
					time.Sleep(80 * time.Second)
					_ = s.WriteFinal([]byte("still here"))
				})
				defer p.close()
				s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				p.cut(0, 0)
				time.Sleep(tc.outage)
				p.restore()
				got, err := io.ReadAll(s)
				if tc.lost && subjects.CodeOf(err) != subjects.CodeLinkLost {
					t.Errorf("got %q, %v after an outage over the limit, want link-lost", got, err)
				}
				if !tc.lost && (string(got) != "still here" || err != nil) {
					t.Errorf("got %q, %v after an outage within the limit", got, err)
				}
				p.empty(t)
			})
		})
	}
}

func TestNoResponders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, echo)
		defer p.close()
		p.down.cut(0, 0)
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
		if err != nil {
			t.Fatal(err)
		}
		p.opener.NoResponders("agent", s.ID())
		if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeNoInstance || !subjects.CodeOf(err).NotExecuted() {
			t.Errorf("got %v, want no-instance", err)
		}
		// Once something has been heard it must be ignored.
		p.down.restore()
		s, err = p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		p.opener.NoResponders("agent", s.ID())
		if s.Err() != nil {
			t.Errorf("a stream that had been answered ended: %v", s.Err())
		}
		s.Close()
	})
}

func TestOverloadAndDrainRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{MaxStreams: 3}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		var open []*Stream
		for range 3 {
			s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, s)
		}
		if _, err := p.opener.Open(t.Context(), "agent", nil, true); subjects.CodeOf(err) != subjects.CodeOverloaded {
			t.Errorf("fourth stream: %v, want overloaded", err)
		}
		for _, s := range open {
			s.Close()
		}
		p.empty(t)
		p.acceptor.Refuse(subjects.CodeDraining)
		s, err := p.opener.Open(t.Context(), "agent", nil, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeDraining {
			t.Errorf("got %v from a draining side", err)
		}
	})
}

// TestSetMaxStreams: a limit counts from when it is set, and ends no stream.
func TestSetMaxStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		open := func() (*Stream, subjects.Code) {
			t.Helper()
			s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // a refusal has arrived
			return s, subjects.CodeOf(s.Err())
		}
		var all []*Stream
		for _, step := range []struct {
			most int
			want subjects.Code
		}{{2, 0}, {2, 0}, {2, subjects.CodeOverloaded}, {1, subjects.CodeOverloaded}, {3, 0}, {3, subjects.CodeOverloaded}, {0, 0}, {1 << 30, 0}} {
			p.acceptor.SetMaxStreams(step.most)
			s, code := open()
			if code != step.want {
				t.Errorf("stream %d with a limit of %d: %v, want %v", len(all), step.most, code, step.want)
			}
			all = append(all, s)
		}
		if err := all[0].Err(); err != nil {
			t.Errorf("an open stream ended: %v", err)
		}
		for _, s := range all {
			s.Close()
		}
		p.empty(t)
	})
}

// TestOwnStallIsNotTheirs: a process that was itself stopped (a paused machine,
// a link whose Send hangs) has heard nothing, and must not conclude that its
// peers are dead.
func TestOwnStallIsNotTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &hanging{}
		e := New(Config{Handler: func(s *Stream) { <-s.Context().Done() }}, l)
		defer e.Close()
		p := e.AddPeer("other")
		e.Receive(p, data(open, 7, 0, "x"))
		time.Sleep(time.Second)
		l.once.Store(int64(subjects.PeerTimeout + 10*time.Second))
		e.Receive(p, data(0, 7, 1, "y")) // acknowledged by the clock, which hangs
		time.Sleep(subjects.PeerTimeout + 15*time.Second)
		if e.Streams() != 1 {
			t.Error("the stream ended though nobody could be heard")
		}
		time.Sleep(subjects.PeerTimeout)
		if e.Streams() != 0 {
			t.Error("the stream goes on though the peer is silent")
		}
	})
}

// hanging is a Link whose next Send takes as long as once says.
type hanging struct {
	tape
	once atomic.Int64
}

func (l *hanging) Send(to string, msg []byte) error {
	time.Sleep(time.Duration(l.once.Swap(0)))
	return l.tape.Send(to, msg)
}
