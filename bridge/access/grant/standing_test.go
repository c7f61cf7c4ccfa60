package grant

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

func kept(g *Grants) (n int) {
	g.callers.entries.Range(func(any, any) bool { n++; return true })
	return n
}

// What is kept about a caller goes when the caller does, and all of it with the
// grants.
func TestCallersAreForgotten(t *testing.T) {
	g := open(t, shop)
	lasting := gitlab(job)
	for range 1000 {
		if _, err := g.Authorize(t.Context(), gitlab(job), get("prod.acme", "/version")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Authorize(t.Context(), lasting, get("prod.acme", "/version")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for kept(g) > 1 && time.Now().Before(deadline) {
		runtime.GC() // cleanups run some time after it
		runtime.Gosched()
	}
	if n := kept(g); n != 1 {
		t.Errorf("%d callers are kept, want the one that there is", n)
	}
	g.Close()
	if n := kept(g); n != 0 {
		t.Errorf("%d callers are kept by grants that were closed", n)
	}
	if _, err := g.Authorize(t.Context(), lasting, get("prod.acme", "/version")); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if n := kept(g); n != 0 {
		t.Errorf("%d callers are kept after a decision of closed grants", n)
	}
	runtime.KeepAlive(lasting)
}

// Running requests are decided again when other grants take their place.
func TestCloseEndsDecisions(t *testing.T) {
	g := open(t, shop)
	for _, c := range []*access.Caller{gitlab(job), {Name: "old", Clusters: []access.Pattern{pattern(t, "prod.acme")}}} {
		d, err := g.Authorize(t.Context(), c, get("prod.acme", "/version"))
		if err != nil || d.Valid.Err() != nil {
			t.Fatalf("%s: %v, ended %v", c.Name, err, d.Valid.Err())
		}
		defer func() {
			if d.Valid.Err() == nil {
				t.Errorf("%s: the decision has not ended with the grants", c.Name)
			}
		}()
	}
	g.Close()
}

// A caller is not taken for one without grants because a decision came too late.
func TestTooLate(t *testing.T) {
	g := open(t, `
grants:
- {name: a, clusters: ["*"], when: ['claims.list.all(x, x != "y")'], as: {agent: true}}
- {name: b, clusters: ["*"], when: ['caller.name != ""', 'claims.list.all(x, x != request.name)'], as: {agent: true}}
`)
	list := make([]any, 500)
	for i := range list {
		list[i] = "x"
	}
	c := gitlab(map[string]any{"list": list})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := g.Authorize(over, c, get("prod", "/version"))
	if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.TimedOut {
		t.Errorf("after its context: %v, want a time-out", err)
	}
	d, err := g.Authorize(t.Context(), c, get("prod", "/version"))
	if err != nil || d.Grant != "a" {
		t.Errorf("in time: %+v, %v", d, err)
	}
}

// Decisions, changes of the grants and the end of callers go on at the same time.
func TestConcurrently(t *testing.T) {
	for range 20 {
		g := open(t, shop)
		lasting := gitlab(job)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 50 {
					c := lasting
					if n%2 == 0 {
						c = gitlab(job)
					}
					if d, err := g.Authorize(t.Context(), c, get("prod.acme", "/version")); err != nil || d.Grant != "deploy" {
						t.Errorf("%+v, %v", d, err)
					}
					if !g.Visible(c, subjects.ClusterRef{Tenant: "lab", Cluster: fmt.Sprint("c", n)}) || !g.AuthorizeTenant(c, "lab") {
						t.Error("a cluster of tenant lab is not visible")
					}
					if i == 0 && n == 25 {
						g.Close()
					}
				}
			})
		}
		all.Wait()
		if n := kept(g); n != 0 {
			t.Errorf("%d callers are kept by grants that were closed", n)
		}
	}
}

// What is kept for a caller is bounded, whatever names of clusters it makes up.
func TestPlacesAreBounded(t *testing.T) {
	g := open(t, shop)
	c := gitlab(job)
	for i := range 3 * maxPlaces {
		for _, tenant := range []string{"lab", "nowhere"} {
			g.Visible(c, subjects.ClusterRef{Tenant: tenant, Cluster: fmt.Sprint("c", i)})
		}
	}
	s := g.callers.get(c)
	if n := len(s.places.kept); n != maxPlaces {
		t.Errorf("%d clusters are kept, want %d", n, maxPlaces)
	}
	if d, err := g.Authorize(t.Context(), c, get("last.lab", "/version")); err != nil || d.Grant != "deploy" {
		t.Errorf("beyond the bound: %+v, %v", d, err)
	}
	runtime.KeepAlive(c)
}
