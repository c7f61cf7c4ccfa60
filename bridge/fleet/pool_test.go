package fleet

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// supply is a body of left bytes, which counts what was read of it.
type supply struct {
	left int
	read *atomic.Int64
}

func (s *supply) Next() ([]byte, error) {
	if s.left == 0 {
		return nil, io.EOF
	}
	n := min(s.left, 32<<10)
	s.left -= n
	s.read.Add(int64(n))
	return make([]byte, n), nil
}

// TestPoolBoundsBodies: of bodies that nobody takes as many are read as have room in the
// pool, and of the others no more than is free. All are read when their turn comes.
func TestPoolBoundsBodies(t *testing.T) {
	for _, length := range []int64{-1, maxResponse} {
		synctest.Test(t, func(t *testing.T) {
			const bodies, chunk = 40, 32 << 10
			p := newPool()
			var read atomic.Int64
			var all sync.WaitGroup
			held := make(chan func(), bodies)
			over := answer.Failf(answer.TimedOut, "too late").Timed(answer.TimeLimit{Of: "caller", After: time.Hour})
			for range bodies {
				all.Go(func() {
					clock, ctx := newClock(t.Context(), over)
					defer clock.end()
					body, give, err := p.readBody(ctx, &supply{left: maxResponse, read: &read}, length, maxResponse, clock)
					if err != nil || len(body) != maxResponse {
						t.Errorf("%d bytes, %v", len(body), err)
						return
					}
					held <- give
				})
			}
			for done := 0; done < bodies; done++ {
				synctest.Wait() // all that can be read is
				waiting := int64(bodies - done - len(held))
				if most := int64(done)*maxResponse + poolBytes + waiting*(freeBytes+chunk); read.Load() > most || len(held) > poolBytes/maxResponse {
					t.Fatalf("%d bytes were read, at most %d may be; %d bodies are whole", read.Load(), most, len(held))
				}
				(<-held)()
			}
			all.Wait()
		})
	}
}

// TestPoolGivesUp: a body whose time is over while it waits for room takes none.
func TestPoolGivesUp(t *testing.T) {
	p := newPool()
	give, err := p.take(t.Context(), poolBytes)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	over := answer.Failf(answer.TimedOut, "too late").Timed(answer.TimeLimit{Of: "caller", After: time.Hour})
	clock, ctx := newClock(ctx, over)
	defer clock.end()
	var read atomic.Int64
	if _, _, err := p.readBody(ctx, &supply{left: 1 << 20, read: &read}, -1, 1<<20, clock); err == nil || read.Load() > freeBytes+(32<<10) {
		t.Errorf("%v, %d bytes were read", err, read.Load())
	}
	give()
	if again, err := p.take(t.Context(), poolBytes); err != nil {
		t.Error(err)
	} else {
		again()
	}
}
