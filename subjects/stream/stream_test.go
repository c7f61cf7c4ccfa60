package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// noise is n bytes that repeat nowhere within reach of an off-by-one.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func echo(s *Stream) {
	if _, err := s.ReadFrom(readerOnly{s}); err == nil {
		_ = s.CloseWrite()
	}
}

// readerOnly hides WriteTo.
type readerOnly struct{ io.Reader }

func exchange(t testing.TB, e *Endpoint, body []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	n0 := min(len(body), 10)
	s, err := e.Open(ctx, "agent", body[:n0], n0 == 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer s.Close()
	werr := make(chan error, 1)
	if n0 == 0 {
		werr <- nil
	} else {
		go func() { werr <- s.WriteFinal(body[n0:]) }()
	}
	h := sha256.New()
	n, err := s.WriteTo(h)
	if err := errors.Join(err, <-werr); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, len(body), err)
	}
	if want := sha256.Sum256(body); !bytes.Equal(h.Sum(nil), want[:]) {
		return fmt.Errorf("%d bytes came back for %d, or others", n, len(body))
	}
	return nil
}

func TestUnaryIsOneMessageEachWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			req, err := io.ReadAll(s)
			if err != nil {
				t.Error(err)
			}
			if err := s.WriteFinal(append(req, " answered"...)); err != nil {
				t.Error(err)
			}
		})
		defer p.close()
		const n = 50
		for i := range n {
			s, err := p.opener.Open(t.Context(), "agent", fmt.Appendf(nil, "request %d", i), true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(s)
			if want := fmt.Sprintf("request %d answered", i); string(got) != want || err != nil {
				t.Fatalf("got %q, %v; want %q", got, err, want)
			}
			s.Close()
		}
		p.empty(t)
		down, _ := p.down.counts()
		up, _ := p.up.counts()
		// 50 exchanges of 2 ms last 100 ms: four ticks of the clock and one
		// ping are all that may come on top.
		if down > n+10 || up > n+3 {
			t.Errorf("%d exchanges took %d messages down and %d up, want %d each and a few of bookkeeping", n, down, up, n)
		}
		if p.opener.Peer("agent").seenStreams() != 0 {
			t.Error("opener keeps stream state")
		}
	})
}

func (p *Peer) seenStreams() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams)
}

func TestBytesSurviveFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    faults
	}{
		{"perfect", faults{delay: time.Millisecond}},
		{"slow", faults{delay: 50 * time.Millisecond, jitter: 20 * time.Millisecond}},
		{"lossy", faults{delay: time.Millisecond, drop: 0.02}},
		{"very lossy", faults{delay: time.Millisecond, drop: 0.2}},
		{"duplicating", faults{delay: time.Millisecond, duplicate: 0.3}},
		{"all", faults{delay: 5 * time.Millisecond, jitter: 10 * time.Millisecond, drop: 0.05, duplicate: 0.1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, Config{}, tc.f, echo)
				defer p.close()
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						size := []int{0, 1, 100, 5000, 33000, 300_000, 1 << 20, 3 << 20}[i]
						if err := exchange(t, p.opener, noise(size, uint64(i))); err != nil {
							t.Errorf("%d bytes: %v", size, err)
						}
					})
				}
				wg.Wait()
				p.empty(t)
			})
		})
	}
}

func TestStreamsSurviveCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: 20 * time.Millisecond, jitter: time.Millisecond}, echo)
		defer p.close()
		stop := make(chan struct{})
		var cutter sync.WaitGroup
		cutter.Go(func() {
			r := rand.New(rand.NewPCG(1, 1))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(20+r.IntN(100)) * time.Millisecond):
				}
				p.cut(r.IntN(20), time.Duration(r.IntN(100))*time.Millisecond)
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
				p.restore()
			}
		})
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if err := exchange(t, p.opener, noise(2<<20+i, uint64(i))); err != nil {
					t.Errorf("stream %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		close(stop)
		cutter.Wait()
		p.empty(t)
		if p.opener.Stats().Resent == 0 || p.acceptor.Stats().Resent == 0 {
			t.Error("nothing was sent again: the cuts hit nothing")
		}
	})
}

func TestExecutedOnceUnderFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		executed := map[string]int{}
		p := newPair(t, Config{}, faults{delay: 2 * time.Millisecond, drop: 0.05, duplicate: 0.2}, func(s *Stream) {
			req, err := io.ReadAll(s)
			if err != nil {
				return
			}
			mu.Lock()
			executed[string(req)]++
			mu.Unlock()
			_ = s.WriteFinal(req)
		})
		defer p.close()
		stop := make(chan struct{})
		var cutter, wg sync.WaitGroup
		cutter.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(300 * time.Millisecond):
				}
				p.cut(10, 50*time.Millisecond)
				time.Sleep(100 * time.Millisecond)
				p.restore()
			}
		})
		for w := range 20 {
			wg.Go(func() {
				for i := range 25 {
					body := fmt.Sprintf("post %d/%d", w, i)
					s, err := p.opener.Open(t.Context(), "agent", []byte(body), true)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(s)
					if string(got) != body || err != nil {
						t.Errorf("%s: got %q, %v", body, got, err)
					}
					s.Close()
				}
			})
		}
		wg.Wait()
		close(stop)
		cutter.Wait()
		for body, n := range executed {
			if n != 1 {
				t.Errorf("%s executed %d times", body, n)
			}
		}
		if len(executed) != 500 {
			t.Errorf("%d requests executed, want 500", len(executed))
		}
		p.empty(t)
	})
}

func TestHalfCloseEachWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			// The accepting side ends first, then still reads to the end.
			if err := s.WriteFinal([]byte("first")); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(s)
			if string(got) != "opening bytes, then more" || err != nil {
				t.Errorf("acceptor got %q, %v", got, err)
			}
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("opening bytes"), false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if string(got) != "first" || err != nil {
			t.Errorf("opener got %q, %v", got, err)
		}
		time.Sleep(3 * time.Second)
		if _, err := s.Write([]byte(", then more")); err != nil {
			t.Errorf("write after the peer's end: %v", err)
		}
		if err := s.CloseWrite(); err != nil {
			t.Error(err)
		}
		s.Close()
		p.empty(t)
	})
}

func TestTrailer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond, drop: 0.1}, func(s *Stream) {
			_, _ = s.Write([]byte("body"))
			if err := s.CloseWriteTrailer([]byte("trailer")); err != nil {
				t.Error(err)
			}
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", nil, true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Trailer() != nil {
			t.Error("trailer before the end")
		}
		got, err := io.ReadAll(s)
		if string(got) != "body" || err != nil || string(s.Trailer()) != "trailer" {
			t.Errorf("got %q, %v, trailer %q", got, err, s.Trailer())
		}
	})
}

func TestStalledReaderHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			b, _ := s.Next()
			if string(b) == "bulk" {
				_, _ = s.ReadFrom(endless{})
				return
			}
			_ = s.WriteFinal(b)
		})
		defer p.close()
		var stalled []*Stream
		for range 50 {
			s, err := p.opener.Open(t.Context(), "agent", []byte("bulk"), true)
			if err != nil {
				t.Fatal(err)
			}
			stalled = append(stalled, s)
		}
		time.Sleep(10 * time.Second)
		for i, s := range stalled {
			if n := s.Buffered(); n > subjects.InitialWindow {
				t.Errorf("stalled stream %d holds %d bytes, its window is %d", i, n, subjects.InitialWindow)
			}
		}
		kept := 0
		for _, s := range p.acceptor.Peer("bridge").snapshot() {
			s.mu.Lock()
			for _, f := range s.send.kept {
				kept += len(f.buf)
			}
			s.mu.Unlock()
		}
		if kept > 0 {
			t.Errorf("the sender keeps %d bytes that have arrived", kept)
		}
		start := time.Now()
		s, err := p.opener.Open(t.Context(), "agent", []byte("small"), true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if string(got) != "small" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if d := time.Since(start); d > 3*time.Millisecond {
			t.Errorf("a request beside 50 stalled readers took %v, the path takes 2 ms", d)
		}
		for _, s := range stalled {
			s.Close()
		}
		p.empty(t)
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

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
		peer := p.opener.Peer("agent")
		peer.mu.Lock()
		defer peer.mu.Unlock()
		if n := len(peer.work.unconfirmed); n > 0 {
			t.Errorf("%d resets still unconfirmed after a minute", n)
		}
	})
}

func TestDeadPeerIsNoticedWithin10s(t *testing.T) {
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
		if d := time.Since(start); d > 11*time.Second {
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

func TestStopReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			_, _ = s.Next()
			_ = s.WriteFinal([]byte("413")) // an early answer; the body is not read
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("head"), false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.ReadFrom(endless{})
		if !errors.Is(err, ErrStopped) {
			t.Errorf("upload ended with %v, want ErrStopped", err)
		}
		got, err := io.ReadAll(s)
		if string(got) != "413" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		s.Close()
		p.empty(t)
	})
}

func TestWindowGrowsOnlyOnLongPaths(t *testing.T) {
	rate := func(t *testing.T, delay time.Duration) (mbps float64, window int) {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Config{}, faults{delay: delay}, func(s *Stream) { _, _ = s.ReadFrom(endless{}) })
			defer p.close()
			s, err := p.opener.Open(t.Context(), "agent", nil, true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			start, n := time.Now(), 0
			for time.Since(start) < 20*time.Second && n < 200<<20 {
				b, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				n += len(b)
			}
			mbps = float64(n) / time.Since(start).Seconds() / 1e6
			s.mu.Lock()
			window = s.recv.window
			s.mu.Unlock()
		})
		return mbps, window
	}
	long, window := rate(t, 25*time.Millisecond)
	t.Logf("50 ms round trip: %.0f MB/s, window %d", long, window)
	if long < 30 || window != subjects.MaxWindow {
		t.Errorf("a 50 ms path moves %.0f MB/s with a window of %d, want over 30 and %d", long, window, subjects.MaxWindow)
	}
}
