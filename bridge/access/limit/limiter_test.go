package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var prod = subjects.ClusterRef{Cluster: "prod", Tenant: "acme"}

func by(name string) *Request { return &Request{Caller: Caller{Name: name}, Cluster: prod} }

// admit lets a request in, or fails the test.
func admit(t *testing.T, l *Limiter, r *Request) *Usage {
	t.Helper()
	u := &Usage{}
	if f := l.Admit(context.Background(), u, r); f != nil {
		t.Fatalf("refused: %v", f)
	}
	return u
}

func refused(t *testing.T, l *Limiter, r *Request) *answer.Failure {
	t.Helper()
	u := &Usage{}
	f := l.Admit(context.Background(), u, r)
	if f == nil {
		u.Done()
		t.Fatal("the request was let in, want a refusal")
	}
	if f.Kind != answer.RateLimited || f.Quota == nil {
		t.Fatalf("refused with %v, want %s and a quota", f, answer.RateLimited.Code)
	}
	return f
}

func configured(c Config) *Limiter { return New().With(&c) }

func TestRequestsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := configured(Config{Caller: Limits{RequestsPerSecond: 2, Burst: 3}})
		for range 3 {
			admit(t, l, by("jane")).Done()
		}
		f := refused(t, l, by("jane"))
		if want := `caller "jane" is over its limit of 2 requests a second`; !strings.Contains(f.Detail, want) {
			t.Errorf("%q does not say %q", f.Detail, want)
		}
		if f.Quota.After != time.Second/2 {
			t.Errorf("wait %v, want 500ms", f.Quota.After)
		}
		admit(t, l, by("joe")).Done()
		admit(t, l, &Request{Caller: Caller{Name: "jane", Issuer: "gitlab"}, Cluster: prod}).Done()
		time.Sleep(f.Quota.After)
		admit(t, l, by("jane")).Done()
		refused(t, l, by("jane"))
	})
}

// A request that is refused for one limit uses nothing of the others.
func TestRefusalUsesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grant := &Limits{RequestsPerSecond: 1, ConcurrentRequests: 10}
		l := configured(Config{Caller: Limits{RequestsPerSecond: 10, ConcurrentRequests: 2, Streams: 1}})
		r := by("jane")
		r.Grant, r.Limits = "shop", grant
		admit(t, l, r).Done()
		for range 20 {
			if f := refused(t, l, r); !strings.Contains(f.Detail, `grant "shop"`) {
				t.Fatalf("%q is not about the grant", f.Detail)
			}
		}
		for range 9 {
			admit(t, l, by("jane")).Done()
		}
		refused(t, l, by("jane"))
	})
}

func TestConcurrentAndStreams(t *testing.T) {
	l := configured(Config{Caller: Limits{ConcurrentRequests: 2, Streams: 1}, Cluster: Limits{Streams: 2}})
	a, b := admit(t, l, by("jane")), admit(t, l, by("jane"))
	if f := refused(t, l, by("jane")); !strings.Contains(f.Detail, "2 concurrent requests") {
		t.Errorf("%q", f.Detail)
	}
	stream := func(name string) *Request { r := by(name); r.Stream = true; return r }
	watch := admit(t, l, stream("jane")) // streams have a limit of their own
	refused(t, l, stream("jane"))
	other := admit(t, l, stream("joe"))
	if f := refused(t, l, stream("jim")); !strings.Contains(f.Detail, `cluster "prod.acme" is at its limit of 2 streams`) {
		t.Errorf("%q", f.Detail)
	}
	for _, u := range []*Usage{a, b, watch, other} {
		u.Done()
	}
	admit(t, l, by("jane")).Done()
	admit(t, l, stream("jim")).Done()
}

// The limits of a grant are those of all its callers together.
func TestGrantIsShared(t *testing.T) {
	l := New() // without limits for everyone
	limits := &Limits{ConcurrentRequests: 2}
	of := func(name, grant string) *Request {
		r := by(name)
		r.Grant, r.Limits = grant, limits
		return r
	}
	defer admit(t, l, of("jane", "shop")).Done()
	defer admit(t, l, of("joe", "shop")).Done()
	refused(t, l, of("jim", "shop"))
	admit(t, l, of("jim", "other")).Done()
	admit(t, l, by("jim")).Done()
}

// New limits hold for the next request, and what runs goes on to count.
func TestConfigure(t *testing.T) {
	l := configured(Config{Caller: Limits{ConcurrentRequests: 2}})
	a, b := admit(t, l, by("jane")), admit(t, l, by("jane"))
	refused(t, l, by("jane"))
	l = l.With(&Config{Caller: Limits{ConcurrentRequests: 3}})
	c := admit(t, l, by("jane"))
	refused(t, l, by("jane"))
	l = l.With(&Config{Caller: Limits{ConcurrentRequests: 1}})
	a.Done()
	b.Done()
	refused(t, l, by("jane"))
	c.Done()
	admit(t, l, by("jane")).Done()
	l = l.With(nil)
	for range 10 {
		defer admit(t, l, by("jane")).Done()
	}
}

// A request of an older version than another one does not bring its limits back.
func TestLaterVersionHolds(t *testing.T) {
	before := configured(Config{Caller: Limits{ConcurrentRequests: 1}})
	same := before.With(&Config{Caller: Limits{ConcurrentRequests: 2}})
	after := before.With(&Config{Caller: Limits{ConcurrentRequests: 2}})
	defer admit(t, before, by("jane")).Done()
	refused(t, before, by("jane"))
	defer admit(t, after, by("jane")).Done()
	refused(t, before, by("jane"))
	refused(t, same, by("jane"))
	refused(t, after, by("jane"))
	admit(t, before, by("joe")).Done()
	after = after.With(&Config{Caller: Limits{ConcurrentRequests: 3}})
	admit(t, after, by("jane")).Done()
	admit(t, before, by("jane")).Done()
}

// Within any time no more than limit*t + burst requests are let in, whatever the
// sequence of requests is, over three bridges that share the limit.
func TestNeverMore(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			per, burst := 1+random.IntN(200), 1+random.IntN(100)
			cfg := Config{Bridges: 3, Caller: Limits{RequestsPerSecond: Rate(per), Burst: Count(burst)}}
			bridges := []*Limiter{configured(cfg), configured(cfg), configured(cfg)}
			var let []time.Time
			start := time.Now()
			for time.Since(start) < 10*time.Second {
				for range random.IntN(20) {
					var u Usage
					if bridges[random.IntN(3)].Admit(t.Context(), &u, by("jane")) == nil {
						let = append(let, time.Now())
						u.Done()
					}
				}
				time.Sleep(time.Duration(random.IntN(int(40 * time.Millisecond))))
			}
			allowed := float64(burst) + 2 // each bridge rounds up
			for i := range let {
				for j := i; j < len(let); j += 1 + random.IntN(8) {
					if n, most := j-i+1, float64(per)*let[j].Sub(let[i]).Seconds()+allowed; float64(n) > most+1e-6 {
						t.Fatalf("%d requests within %v, want at most %.1f", n, let[j].Sub(let[i]), most)
					}
				}
			}
			if len(let) < per*7 {
				t.Errorf("%d requests in 10 s, want nearly %d", len(let), per*10)
			}
		})
	}
}

// What is kept is bounded, and what is in use is kept.
func TestStateIsBounded(t *testing.T) {
	const most = 100
	l := newLimiter(most).With(&Config{Caller: Limits{ConcurrentRequests: 1}})
	held := admit(t, l, by("held"))
	for i := range 3 * most {
		r := by(fmt.Sprint(i))
		r.Cluster.Cluster = fmt.Sprint("c", i)
		admit(t, l, r).Done()
	}
	if n := len(l.callers.entries); n > most || l.callers.order.Len() != n {
		t.Errorf("%d callers are kept, want at most %d", n, most)
	}
	if n := len(l.clusters.entries); n > most {
		t.Errorf("%d clusters are kept, want at most %d", n, most)
	}
	refused(t, l, by("held"))
	held.Done()
	admit(t, l, by("held")).Done()
}

// The common case allocates nothing, and costs nothing without limits.
func TestAllocations(t *testing.T) {
	r := by("jane")
	r.Grant, r.Limits = "shop", &Limits{RequestsPerSecond: maxRate, Streams: 5, ConcurrentRequests: 5}
	everything := Limits{RequestsPerSecond: maxRate, Streams: 5, ConcurrentRequests: 5, BytesPerSecond: maxBytes}
	for name, l := range map[string]*Limiter{"nil": nil, "none": New(), "all": configured(Config{Caller: everything, Cluster: everything})} {
		u := &Usage{}
		if n := testing.AllocsPerRun(1000, func() {
			*u = Usage{}
			if f := l.Admit(t.Context(), u, r); f != nil {
				t.Fatal(f)
			}
			u.Done()
		}); n != 0 {
			t.Errorf("%s: %.1f allocations", name, n)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	// No rate that a benchmark reaches: a file cannot give as many.
	everything := Limits{RequestsPerSecond: 1000 * maxRate, Streams: 5, ConcurrentRequests: 5, BytesPerSecond: maxBytes}
	grant := by("jane")
	grant.Grant, grant.Limits = "shop", &everything
	for _, bb := range []struct {
		name string
		l    *Limiter
		r    *Request
	}{
		{"nothing configured", New(), by("jane")},
		{"caller and cluster", configured(Config{Caller: everything, Cluster: everything}), by("jane")},
		{"all three", configured(Config{Caller: everything, Cluster: everything}), grant},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			u := &Usage{}
			for b.Loop() {
				*u = Usage{}
				if f := bb.l.Admit(b.Context(), u, bb.r); f != nil {
					b.Fatal(f)
				}
				u.Done()
			}
		})
	}
}

// Callers of many names that have something in common count as one, and not as the caller
// that has that as its name.
func TestManyNamesCountAsOne(t *testing.T) {
	l := configured(Config{Caller: Limits{RequestsPerSecond: 0.001, Burst: 1, Streams: 1}})
	team := &Request{Caller: Caller{Method: "token", Name: "team", Many: true}, Cluster: prod}
	admit(t, l, team).Done()
	if f := refused(t, l, team); !strings.HasPrefix(f.Detail, `the group of callers that are counted by "team" is over its limit of `) || f.Quota.Policy != "caller-requests" {
		t.Errorf("got %q of %+v", f.Detail, f.Quota)
	}
	admit(t, l, &Request{Caller: Caller{Method: "token", Name: "team"}, Cluster: prod}).Done()
}
