package stream

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestOpeningsAreBoundedInFlight: many requests whose bodies fit their openings
// start at once on a slow path. What is on the way stays within the bound, and
// all are executed.
func TestOpeningsAreBoundedInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{InFlight: minInFlight}, faults{delay: 50 * time.Millisecond}, echo)
		defer p.close()
		exchangeMany(t, p, 500, func(int) []byte { return noise(31<<10, 1) })
		if n := p.down.peak(); n > minInFlight || n < minInFlight/2 {
			t.Errorf("%d bytes of openings were on the way at once, want at most %d, and not far below", n, minInFlight)
		}
		p.empty(t)
	})
}

// TestFlightIsBounded is the same for any mix of openings, data and resends,
// in both directions: copies that were sent again count beside those that may
// still be on the way.
func TestFlightIsBounded(t *testing.T) {
	for _, f := range []faults{
		{delay: 50 * time.Millisecond},
		{delay: 50 * time.Millisecond, drop: 0.02},
		{delay: 200 * time.Millisecond, jitter: 100 * time.Millisecond, drop: 0.05},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Config{InFlight: minInFlight}, f, echo)
			defer p.close()
			sizes := []int{31 << 10, 100, 200 << 10, 5 << 10, 1 << 20, 4 << 10}
			exchangeMany(t, p, 60, func(i int) []byte { return noise(sizes[i%len(sizes)], uint64(i)) })
			for name, w := range map[string]*wire{"down": p.down, "up": p.up} {
				if n := w.peak(); n > minInFlight {
					t.Errorf("%+v: %d bytes in large frames were on their way %s at once, want at most %d", f, n, name, minInFlight)
				}
			}
			p.empty(t)
		})
	}
}

// TestResendsWaitForProof: a slow path delivers gaps long before it is empty.
// Lost frames are sent again within the bound, however often the loss is reported.
func TestResendsWaitForProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{InFlight: minInFlight}, faults{delay: 2 * time.Second}, echo)
		defer p.close()
		first := true
		p.down.losing(func(msg []byte) bool {
			n, _, _ := large(msg)
			lost := first && n > 0
			first = first && !lost
			return lost
		})
		exchangeMany(t, p, 4, func(i int) []byte { return noise(1<<20, uint64(i)) })
		if n := p.down.peak(); n > minInFlight {
			t.Errorf("%d bytes were on the way at once, want at most %d", n, minInFlight)
		}
		p.empty(t)
	})
}

// TestOpeningGivesUpWaiting: an opening that waits for the bound ends with its
// context. The peer never hears of it, and nothing of it is left.
func TestOpeningGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, l := alone(t, Config{})
		defer e.Close()
		for {
			p.mu.Lock()
			full := !p.budget.fits(31 << 10)
			p.mu.Unlock()
			if full {
				break
			}
			s, err := e.Open(t.Context(), "other", noise(31<<10, 1), true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
		open := e.Streams()
		l.take()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if s, err := e.Open(ctx, "other", noise(31<<10, 2), true); err == nil {
			s.Close()
			t.Fatal("opened beyond the bound")
		}
		if got := l.says(); got != "" {
			t.Errorf("said %q of a stream that was never opened", got)
		}
		s, err := e.Open(t.Context(), "other", []byte("small"), true)
		if err != nil {
			t.Fatalf("a small opening: %v", err)
		}
		s.Close()
		if n := e.Streams(); n != open {
			t.Errorf("%d streams are open, want %d", n, open)
		}
	})
}

// TestOpeningsThatWaitAreBounded: they count as streams.
func TestOpeningsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, _ := alone(t, Config{MaxStreams: 40})
		var wg sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for range 100 {
			wg.Go(func() {
				s, err := e.Open(t.Context(), "other", noise(31<<10, 1), true)
				if err == nil {
					defer s.Close()
					<-s.Context().Done()
				} else if subjects.CodeOf(err) == subjects.CodeOverloaded {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		if refused != 60 {
			t.Errorf("%d openings were refused, want 60 of 100 with room for 40", refused)
		}
		mu.Unlock()
		e.Close() // ends those that are open, and those that wait
		wg.Wait()
	})
}

// TestLargeOpeningIsAcknowledgedAtOnce: a request that came whole holds the
// bytes in flight of its opener only until it has arrived, however long its
// response takes.
func TestLargeOpeningIsAcknowledgedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newPair(t, Config{InFlight: minInFlight}, faults{delay: time.Millisecond}, func(s *Stream) {
			<-release
			echo(s)
		})
		defer p.close()
		start := time.Now()
		var streams []*Stream
		for range 200 {
			s, err := p.opener.Open(t.Context(), "agent", noise(31<<10, 1), true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			streams = append(streams, s)
		}
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("200 openings took %v on a path of 1 ms, while their handlers wait", d)
		}
		close(release)
		for _, s := range streams {
			if n, err := io.Copy(io.Discard, readerOnly{s}); n != 31<<10 || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		}
	})
}

// exchangeMany sends n bodies at once, as much as fits in their openings, and
// expects each of them back.
func exchangeMany(t *testing.T, p *pair, n int, body func(i int) []byte) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		want := body(i)
		wg.Go(func() {
			n0 := min(len(want), subjects.MaxPayload)
			s, err := p.opener.Open(t.Context(), "agent", want[:n0], n0 == len(want))
			if err != nil {
				t.Errorf("open %d: %v", i, err)
				return
			}
			defer s.Close()
			if n0 < len(want) {
				wg.Go(func() {
					if err := s.WriteFinal(want[n0:]); err != nil {
						t.Errorf("write %d: %v", i, err)
					}
				})
			}
			if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, want) {
				t.Errorf("exchange %d: %d bytes back of %d, %v", i, len(got), len(want), err)
			}
		})
	}
	wg.Wait()
}
