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
	"testing"
	"testing/synctest"
	"time"
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
		if p.opener.AddPeer("agent").seenStreams() != 0 {
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
