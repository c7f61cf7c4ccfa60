package stream

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestDeadlineAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, echo)
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SetDeadline(time.Now().Add(time.Hour))
		s.Close()
		done := make(chan struct{})
		go func() {
			_ = s.SetDeadline(time.Now().Add(time.Hour))
			_ = s.SetDeadline(time.Time{})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
			t.Fatal("SetDeadline hangs on a stream that has ended")
		}
		if _, err := s.Read(make([]byte, 1)); subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		_ = s.SetReadDeadline(start.Add(time.Second))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read: %v after %v, want the deadline after 1 s", err, time.Since(start))
		}
		// A deadline set while a call waits counts for that call.
		go func() {
			time.Sleep(time.Second)
			_ = s.SetWriteDeadline(time.Now())
		}()
		n, err := s.Write(make([]byte, 2<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n > subjects.InitialWindow {
			t.Errorf("write took %d bytes and gave %v, want a window's worth and the deadline", n, err)
		}
		if s.Err() != nil {
			t.Errorf("a deadline ended the stream: %v", s.Err())
		}
		_ = s.SetDeadline(time.Time{})
		go func() {
			time.Sleep(time.Minute)
			s.Close()
		}()
		if _, err := s.Read(make([]byte, 1)); subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Errorf("read without a deadline: %v", err)
		}
	})
}

// TestResponseOutlivesReset: what had arrived to its end is the reader's, even
// if the peer goes away before it is read.
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

func TestHandlerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			b, _ := s.Next()
			switch string(b) {
			case "panic":
				panic("a defect")
			case "exit":
				runtime.Goexit()
			}
			_ = s.WriteFinal(b)
		})
		defer p.close()
		for what, code := range map[string]subjects.Code{"panic": subjects.CodeInternal, "exit": subjects.CodeCanceled, "fine": 0} {
			s, err := p.opener.Open(t.Context(), "agent", []byte(what), true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(s); subjects.CodeOf(err) != code {
				t.Errorf("%s: %v, want %v", what, err, code)
			}
			if err := s.Err(); err != nil && strings.Contains(err.Error(), "a defect") {
				t.Errorf("the panic's text crossed the wire: %v", err)
			}
			s.Close()
		}
		p.empty(t)
	})
}

// TestHandlersAreBounded: a handler that does not notice a cancellation still
// counts, or a flood of cancelled requests would start handlers without end.
func TestHandlersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		release := make(chan struct{})
		e, p, _ := alone(t, Config{MaxStreams: 10, Handler: func(*Stream) {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
		}})
		for id := uint64(1); id <= 100; id++ {
			e.Receive(p, data(open|fin, id, 0, "x"))
			e.Receive(p, reset(id, subjects.CodeCanceled))
			synctest.Wait()
		}
		if n := most.Load(); n > 10 {
			t.Errorf("%d handlers ran at once, MaxStreams is 10", n)
		}
		close(release)
		e.Close()
	})
}

func TestCancelStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		var handlers atomic.Int32
		p := newPair(t, Config{}, faults{delay: time.Millisecond, drop: 0.02}, func(s *Stream) {
			handlers.Add(1)
			defer handlers.Add(-1)
			<-s.Context().Done()
		})
		defer p.close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const n = 1000
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				s, err := p.opener.Open(ctx, "agent", []byte("watch"), true)
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeCanceled {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		if h := handlers.Load(); h != n {
			t.Errorf("%d of %d watches run", h, n)
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Second)
		if h := handlers.Load(); h > n/20 {
			t.Errorf("%d handlers run a second after the cancellation", h)
		}
		time.Sleep(5 * time.Second)
		p.empty(t)
		if h := handlers.Load(); h != 0 {
			t.Errorf("%d handlers left", h)
		}
		for _, e := range []*Endpoint{p.opener, p.acceptor} {
			for _, q := range e.all() {
				q.mu.Lock()
				if len(q.work.unconfirmed) > 0 || q.budget.used != 0 || len(q.budget.waiters) > 0 {
					t.Errorf("left: %d resets, %d bytes of budget", len(q.work.unconfirmed), q.budget.used)
				}
				q.mu.Unlock()
			}
			if e.grown.Load() != 0 {
				t.Errorf("%d bytes of grown windows left", e.grown.Load())
			}
		}
		// Two wires and two engines with two goroutines each remain.
		if g := runtime.NumGoroutine(); g > before+8 {
			t.Errorf("%d goroutines, %d at the start", g, before)
		}
	})
}

// TestCloseWhileBusy: whatever runs while an endpoint closes must end.
func TestCloseWhileBusy(t *testing.T) {
	for _, side := range []string{"opener", "acceptor"} {
		t.Run(side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
					b, _ := s.Next()
					if string(b) == "watch" {
						<-s.Context().Done()
						return
					}
					echo(s)
				})
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						for {
							first := []byte("watch")
							if i%2 == 0 {
								first = []byte("echo")
							}
							ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
							s, err := p.opener.Open(ctx, "agent", first, false)
							if err == nil {
								go func() { _, _ = s.Write(make([]byte, 300<<10)) }()
								for err == nil {
									_, err = s.Next()
								}
								s.Close()
							}
							cancel()
							if errors.Is(err, ErrClosed) || subjects.CodeOf(err) == subjects.CodeShutdown || subjects.CodeOf(err) == subjects.CodeDraining {
								return
							}
						}
					})
				}
				time.Sleep(105 * time.Millisecond)
				if side == "opener" {
					p.opener.Close()
					p.acceptor.Close()
				} else {
					p.acceptor.Close()
					time.Sleep(time.Second)
					p.opener.Close()
				}
				wg.Wait()
				if o, a := p.opener.Streams(), p.acceptor.Streams(); o != 0 || a != 0 {
					t.Errorf("streams left: opener %d, acceptor %d", o, a)
				}
				p.close()
			})
		})
	}
}

// TestOpenRacesClose outside a bubble, where goroutines really run at once.
func TestOpenRacesClose(t *testing.T) {
	for range 200 {
		e := New(Config{}, &tape{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					s, err := e.Open(context.Background(), "other", []byte("x"), true)
					if err != nil {
						return
					}
					wg.Go(func() { _, _ = s.Next() })
				}
			})
		}
		e.Close()
		wg.Wait()
		if n := e.Streams(); n != 0 {
			t.Fatalf("%d streams left", n)
		}
	}
}

// TestAcceptRacesClose: a stream that arrives while the endpoint closes must
// not keep Close waiting for its handler.
func TestAcceptRacesClose(t *testing.T) {
	for range 50 {
		begun := make(chan struct{}, 1)
		e := New(Config{MaxStreams: 100, Handler: func(s *Stream) {
			signal(begun)
			<-s.Context().Done()
		}}, &tape{})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			p := e.AddPeer("other")
			for id := uint64(1); ; id++ {
				select {
				case <-stop:
					return
				default:
				}
				e.Receive(p, data(open|fin, id, 0, "x"))
			}
		})
		<-begun // some streams first; any number will do
		done := make(chan struct{})
		go func() {
			e.Close()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("Close hangs")
		}
		close(stop)
		wg.Wait()
	}
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
		l.once.Store(int64(30 * time.Second))
		e.Receive(p, data(0, 7, 1, "y")) // acknowledged by the clock, which hangs
		time.Sleep(35 * time.Second)
		if e.Streams() != 1 {
			t.Error("the stream ended though nobody could be heard")
		}
		time.Sleep(10 * time.Second)
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

func TestWaitReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, _ := alone(t, Config{Handler: func(s *Stream) { <-s.Context().Done() }})
		defer e.Close()
		for id := uint64(1); id <= 3; id++ {
			e.Receive(p, data(open|fin, id, 0, "x"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait with streams open: %v", err)
		}
		var woke atomic.Int32
		for range 3 {
			go func() {
				if err := e.Wait(t.Context()); err == nil {
					woke.Add(1)
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		for id := uint64(1); id <= 3; id++ {
			if woke.Load() > 0 {
				t.Error("Wait returned early")
			}
			e.Receive(p, reset(id, subjects.CodeCanceled))
			synctest.Wait()
		}
		if woke.Load() != 3 || time.Since(start) != 0 {
			t.Errorf("%d of 3 waiters woke after %v", woke.Load(), time.Since(start))
		}
	})
}
