package stream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/wait"
)

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
			wait.Signal(begun)
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
