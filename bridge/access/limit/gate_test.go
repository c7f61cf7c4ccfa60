package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// agents are those of a cluster, which take so many requests at a time.
type agents struct {
	most    int
	mu      sync.Mutex
	running int
	refused int
}

// execute makes a request, as the tunnel does.
func (a *agents) execute(ctx context.Context, u *Usage, took time.Duration) bool {
	for {
		a.mu.Lock()
		full := a.most > 0 && a.running >= a.most
		if full {
			a.refused++
		} else {
			a.running++
		}
		a.mu.Unlock()
		if !full {
			u.Begun()
			time.Sleep(took)
			a.mu.Lock()
			a.running--
			a.mu.Unlock()
			return true
		}
		time.Sleep(5 * time.Millisecond) // the way there and back
		if !u.Again(ctx) {
			return false
		}
	}
}

// load has workers of a caller make requests until the time is over. Each worker
// pauses after a refusal, as the answer says.
func load(l *Limiter, a *agents, name string, workers int, until time.Time, took func() time.Duration) (done, refused *atomic.Int64) {
	done, refused = new(atomic.Int64), new(atomic.Int64)
	for range workers {
		go func() {
			for time.Now().Before(until) {
				u := &Usage{}
				if f := l.Admit(context.Background(), u, by(name)); f != nil {
					refused.Add(1)
					time.Sleep(time.Second)
					continue
				}
				if a.execute(context.Background(), u, took()) {
					done.Add(1)
				} else {
					refused.Add(1)
				}
				u.Done()
			}
		}()
	}
	return done, refused
}

// Two callers of a saturated cluster get the same share within 10 %, however many
// requests each of them sends, whether the bridge's limit or the agents bound it.
func TestShares(t *testing.T) {
	for _, tt := range []struct {
		name          string
		limit, agents int
	}{
		{"limit of the cluster", 10, 0},
		{"agents are full", 0, 10},
		{"both", 12, 10},
	} {
		for _, workers := range [][2]int{{20, 20}, {400, 20}, {20, 1000}} {
			t.Run(fmt.Sprint(tt.name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := configured(Config{Cluster: Limits{ConcurrentRequests: Count(tt.limit)}})
					a := &agents{most: tt.agents}
					random := rand.New(rand.NewPCG(1, 2))
					var mu sync.Mutex
					took := func() time.Duration {
						mu.Lock()
						defer mu.Unlock()
						return time.Duration(random.IntN(int(40 * time.Millisecond)))
					}
					const long = 15 * time.Second
					until := time.Now().Add(long)
					first, _ := load(l, a, "first", workers[0], until, took)
					second, _ := load(l, a, "second", workers[1], until, took)
					time.Sleep(long)
					x, y := float64(first.Load()), float64(second.Load())
					if x < .9*y || y < .9*x {
						t.Errorf("%.0f and %.0f requests, want the same within 10 %%", x, y)
					}
					time.Sleep(2 * maxWait) // until all have ended
					synctest.Wait()
					t.Logf("%.0f and %.0f requests, the agents refused %d", x, y, a.refused)
					if most := float64(long / (20 * time.Millisecond) * 10); x+y < .85*most {
						t.Errorf("%.0f requests in all, want nearly %.0f", x+y, most)
					}
				})
			})
		}
	}
}

// A caller with one request does not wait for another's thousand.
func TestOneAmongThousand(t *testing.T) {
	for _, most := range [][2]int{{10, 0}, {0, 10}} {
		synctest.Test(t, func(t *testing.T) {
			l, a := configured(Config{Cluster: Limits{ConcurrentRequests: Count(most[0])}}), &agents{most: most[1]}
			until := time.Now().Add(10 * time.Second)
			took := func() time.Duration { return 50 * time.Millisecond }
			_, refused := load(l, a, "many", 1000, until, took)
			time.Sleep(time.Second)
			var worst time.Duration
			for range 50 {
				start := time.Now()
				u := &Usage{}
				if f := l.Admit(t.Context(), u, by("one")); f != nil || !a.execute(t.Context(), u, 0) {
					t.Errorf("the only request was refused: %v", f)
				}
				u.Done()
				worst = max(worst, time.Since(start))
				time.Sleep(100 * time.Millisecond)
			}
			if worst > 150*time.Millisecond {
				t.Errorf("waited %v, want about as long as a request takes", worst)
			}
			t.Logf("limit %d, agents %d: waited %v at worst", most[0], most[1], worst)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if refused.Load() == 0 {
				t.Error("nothing was refused")
			}
			if g := l.clusters.use(prod, nil).gate; g.running != 0 || g.waiting != 0 || len(g.queues) != 0 || len(g.shares) != 0 || g.probing {
				t.Errorf("something is left: %+v", g)
			}
		})
	}
}

// The wait has a bound, and ends with the request.
func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{ConcurrentRequests: 1, RequestsPerSecond: 100, Burst: 2}})
		held := admit(t, l, by("jane"))
		start := time.Now()
		refused(t, l, by("joe"))
		if took := time.Since(start); took != maxWait {
			t.Errorf("waited %v, want %v", took, maxWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		u := &Usage{}
		if f := l.Admit(ctx, u, by("joe")); f == nil || f.Kind != answer.ClientGone {
			t.Errorf("a client that went away: %v", f)
		}
		time.AfterFunc(time.Second, held.Done)
		admit(t, l, by("joe")).Done()

		// Agents that take nothing at all.
		u = admit(t, l, by("joe"))
		start = time.Now()
		if (&agents{most: 0, running: 1}).execute(t.Context(), u, 0); time.Since(start) > 0 {
			t.Error("agents without a bound are full")
		}
		rounds := 0
		for u.Again(t.Context()) {
			rounds++
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(start); took > maxWait || rounds > int(maxWait/probeEvery) {
			t.Errorf("tried %d times in %v", rounds, took)
		}
		u.Done()
		admit(t, l, by("joe")).Done()
	})
}

// Where the queues are full, the longest one gives way.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Cluster: Limits{ConcurrentRequests: 1}})
		held := admit(t, l, by("jane"))
		var refusedMany atomic.Int64
		for range 2 * maxWaiting {
			go func() {
				u := &Usage{}
				if f := l.Admit(context.Background(), u, by("many")); f != nil {
					refusedMany.Add(1)
					return
				}
				u.Done()
			}()
		}
		synctest.Wait()
		if n := refusedMany.Load(); n != maxWaiting {
			t.Errorf("%d of %d were refused, want %d", n, 2*maxWaiting, maxWaiting)
		}
		let := make(chan bool)
		go func() {
			u := &Usage{}
			f := l.Admit(context.Background(), u, by("one"))
			u.Done()
			let <- f == nil
		}()
		synctest.Wait()
		if n := refusedMany.Load(); n != maxWaiting+1 {
			t.Errorf("%d were refused, want one more than %d", n, maxWaiting)
		}
		held.Done()
		if !<-let {
			t.Error("the only request was refused")
		}
		synctest.Wait()
	})
}

// A caller of a grant with one request at a time does not wait for the thousand of another
// caller of the grant, to whatever clusters they go.
func TestCallersOfAGrantTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, limits := New(), &Limits{ConcurrentRequests: 10}
		of := func(name string, cluster int) *Request {
			return &Request{Caller: Caller{Name: name}, Cluster: subjects.ClusterRef{Cluster: fmt.Sprint("c", cluster), Tenant: "acme"}, Grant: "shop", Limits: limits}
		}
		const took = 50 * time.Millisecond
		until := time.Now().Add(5 * time.Second)
		var many sync.WaitGroup
		for i := range 1000 { // it has always more to do than the grant allows
			many.Go(func() {
				for time.Now().Before(until) {
					u := &Usage{}
					if f := l.Admit(t.Context(), u, of("many", i)); f == nil {
						time.Sleep(took)
						u.Done()
						continue
					} else if f.Quota == nil || f.Quota.Policy != "grant-concurrent-requests" {
						t.Errorf("refused: %v", f)
					}
					time.Sleep(time.Second) // as the answer says
				}
			})
		}
		time.Sleep(time.Second)
		for i := range 20 {
			start, u := time.Now(), &Usage{}
			if f := l.Admit(t.Context(), u, of("one", i)); f != nil {
				t.Errorf("the only request was refused: %v", f)
			} else {
				u.Done()
			}
			if waited := time.Since(start); waited > 2*took {
				t.Errorf("it waited %v", waited)
			}
			time.Sleep(took)
		}
		many.Wait()
		if g := l.grants.use("shop", nil).gate; g.running != 0 || g.waiting != 0 || len(g.queues) != 0 || len(g.shares) != 0 {
			t.Errorf("something is left: %+v", g)
		}
	})
}
