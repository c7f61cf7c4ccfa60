package limit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Callers who send more than a cluster's rate allows have the same share of it within
// 10 %, however many requests each of them sends, and never more than the limit in all.
func TestSharesOfRate(t *testing.T) {
	const perSecond, burst, long = 200, 100, 15 * time.Second
	for _, workers := range [][]int{{20, 20}, {400, 20}, {20, 1000}, {10, 100, 500, 10}} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := configured(Config{Cluster: Limits{RequestsPerSecond: perSecond, Burst: burst}})
				took := func() time.Duration { return 10 * time.Millisecond }
				until := time.Now().Add(long)
				var done []*atomic.Int64
				for i, n := range workers {
					d, _ := load(l, &agents{}, fmt.Sprint("caller ", i), n, until, took)
					done = append(done, d)
				}
				time.Sleep(long)
				var counts []int64
				total := int64(0)
				for _, d := range done {
					counts = append(counts, d.Load())
					total += d.Load()
				}
				t.Logf("%d requests, the limit is %d", counts, int(perSecond*long.Seconds())+burst)
				// The burst goes to whoever is there first.
				if least, most := float64(slices.Min(counts)), float64(slices.Max(counts)-burst); least < .9*most {
					t.Errorf("%d requests, want the same within 10 %%", counts)
				}
				if most := int64(perSecond*long.Seconds()) + burst; total > most || total < most*95/100 {
					t.Errorf("%d requests in all, want nearly %d", total, most)
				}
				time.Sleep(2 * maxWait)
				synctest.Wait()
				empty(t, l)
			})
		})
	}
}

func empty(t *testing.T, l *Limiter) {
	t.Helper()
	p := l.clusters.use(prod, nil).pace
	if p.waiting != 0 || len(p.queues) != 0 || p.served != 0 {
		t.Errorf("something is left: %+v", p)
	}
}

// A caller that sends one request at a time waits for one request of another caller at
// most, however many that one sends, and has its share of a rate that is as good as used up.
func TestOneAmongThousandOfRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 100
		l := configured(Config{Cluster: Limits{RequestsPerSecond: perSecond}})
		until := time.Now().Add(10 * time.Second)
		_, turnedAway := load(l, &agents{}, "many", 1000, until, func() time.Duration { return 0 })
		time.Sleep(time.Second)
		var worst time.Duration
		for range 50 {
			start := time.Now()
			admit(t, l, by("one")).Done()
			worst = max(worst, time.Since(start))
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("waited %v at worst", worst)
		if most := 2 * time.Second / perSecond; worst > most {
			t.Errorf("waited %v, want at most %v", worst, most)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if turnedAway.Load() == 0 {
			t.Error("nothing was refused")
		}
		empty(t, l)
	})
}

// A request waits for maxWait at most; one that would have to wait for longer is refused
// at once, with the time after which it would be in time.
func TestWaitForRateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{RequestsPerSecond: 1}})
		admit(t, l, by("jane")).Done()
		time.Sleep(time.Second / 10) // no request is in time just when it has waited enough
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, l, by("jane")).Done() })
		synctest.Wait()
		wg.Go(func() {
			refused(t, l, by("jane"))
			if took := time.Since(start); took != maxWait {
				t.Errorf("refused after %v, want %v", took, maxWait)
			}
		})
		synctest.Wait()
		f := refused(t, l, by("jane"))
		if took := time.Since(start); took != 0 || f.Quota.After != 2900*time.Millisecond || f.Quota.Policy != "cluster-requests" {
			t.Errorf("refused after %v with %+v, want at once, to come back after 2.9 s", took, f.Quota)
		}
		// Another caller is before the second request of the first one, which is not
		// in time for that.
		wg.Go(func() {
			admit(t, l, by("joe")).Done()
			if took := time.Since(start); took != 1900*time.Millisecond {
				t.Errorf("the other caller waited %v", took)
			}
		})
		synctest.Wait()
		wg.Wait()
		empty(t, l)
	})
}

// A request whose client goes away leaves its turn to others, and what it had of its
// caller's rate.
func TestGoneWhileWaitingForRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Caller: Limits{RequestsPerSecond: 1, Burst: 2}, Cluster: Limits{RequestsPerSecond: 1}})
		admit(t, l, by("joe")).Done()
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			var u Usage
			if f := l.Admit(ctx, &u, by("jane")); f == nil || f.Kind != answer.ClientGone {
				t.Fatalf("a client that went away: %v", f)
			}
		}
		admit(t, l, by("jane")).Done()
		admit(t, l, by("jane")).Done()
		empty(t, l)
	})
}

// Where a request has no turn before the cluster, it does not use up the rate; and it
// waits for both no longer than for one.
func TestRateIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{RequestsPerSecond: 1, Burst: 1, ConcurrentRequests: 1}})
		held := admit(t, l, by("jane"))
		start := time.Now()
		f := refused(t, l, by("joe"))
		if took := time.Since(start); took != maxWait || f.Quota.Policy != "cluster-concurrent-requests" {
			t.Errorf("refused after %v for %s", took, f.Quota.Policy)
		}
		held.Done()
		start = time.Now()
		admit(t, l, by("joe")).Done()
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v for what was given back", took)
		}
	})
}

// A rate that is changed or removed holds for those that wait.
func TestRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{RequestsPerSecond: 1}})
		start := time.Now()
		admit(t, l, by("jane")).Done()
		var wg sync.WaitGroup
		wg.Go(func() { admit(t, l, by("jane")).Done() })
		synctest.Wait()
		time.Sleep(time.Second / 10)
		admit(t, l.With(&Config{}), by("joe")).Done()
		wg.Wait()
		if took := time.Since(start); took != time.Second/10 {
			t.Errorf("waited %v, want until the limit was gone", took)
		}
		empty(t, l)
	})
}

// A caller who comes under another name with each request takes a turn for each name, and
// does not go before those who wait: a regular caller is served in every round.
func TestFreshNamesStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, long = 20, 10 * time.Second
		l := configured(Config{Cluster: Limits{RequestsPerSecond: perSecond, Burst: 1}})
		until := time.Now().Add(5*time.Second + long)
		regular, _ := load(l, &agents{}, "regular", 5, until, func() time.Duration { return 10 * time.Millisecond })
		time.Sleep(5 * time.Second)
		before := regular.Load()
		// Half as many again as the rate of the cluster, and all of them wait their turn.
		for i := range int(long.Seconds()) * perSecond * 3 / 2 {
			go func() {
				var u Usage
				if l.Admit(t.Context(), &u, by(fmt.Sprint("fresh ", i))) == nil {
					u.Done()
				}
			}()
			time.Sleep(long / (perSecond * 3 / 2) / time.Duration(long.Seconds()))
		}
		// What waits at most is what is served within maxWait, one of which is the regular
		// caller's.
		round := time.Duration(maxWait.Seconds()*perSecond+1) * time.Second / perSecond
		during := regular.Load() - before
		t.Logf("%d of %d requests", during, int(long.Seconds())*perSecond)
		if least := int64(long / round); during < least {
			t.Errorf("%d requests, want at least one in %v, %d in all", during, round, least)
		}
		time.Sleep(2 * maxWait)
		synctest.Wait()
		empty(t, l)
	})
}

// The queue is bounded, and the longest one gives way.
func TestRateQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{RequestsPerSecond: 10_000, Burst: 1}})
		p := l.clusters.use(prod, newCluster).pace
		admit(t, l, by("jane")).Done()
		var refusedMany, let atomic.Int64
		for range maxWaiting + 100 {
			go func() {
				var u Usage
				if f := l.Admit(context.Background(), &u, by("many")); f != nil {
					refusedMany.Add(1)
					return
				}
				u.Done()
			}()
		}
		synctest.Wait()
		if n := refusedMany.Load(); n != 100 || p.waiting != maxWaiting {
			t.Errorf("%d were refused and %d wait, want 100 and %d", n, p.waiting, maxWaiting)
		}
		for i := range 5 * maxWaiting {
			go func() {
				var u Usage
				if l.Admit(context.Background(), &u, by(fmt.Sprint("caller ", i))) == nil {
					let.Add(1)
					u.Done()
				}
			}()
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
			p.mu.Lock()
			if p.waiting > maxWaiting || len(p.queues) > maxWaiting {
				t.Errorf("%d wait, in %d queues", p.waiting, len(p.queues))
			}
			p.mu.Unlock()
		}
		time.Sleep(2 * maxWait)
		synctest.Wait()
		if n := let.Load(); n != 5*maxWaiting {
			t.Errorf("%d single requests were let in, want all %d", n, 5*maxWaiting)
		}
		empty(t, l)
	})
}
