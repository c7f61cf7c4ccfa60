package events

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
)

func connected(cluster string) Event {
	return Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: cluster}
}

func clusters(p Page) (all []string) {
	for i := range p.Events {
		all = append(all, p.Events[i].Cluster)
	}
	return all
}

// TestMemory: events are read in order, from where a reader was.
func TestMemory(t *testing.T) {
	m, ctx := NewMemory(), t.Context()
	begin, err := m.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := m.Append(ctx, connected(fmt.Sprintf("c%d", i-i%2)), "key"); err != nil { // each twice
			t.Fatal(err)
		}
	}
	p, err := m.Read(ctx, begin, &Filter{}, 3)
	if err != nil || !slices.Equal(clusters(p), []string{"c0", "c2", "c4"}) || !p.More || p.Reset || p.Next != p.Events[2].ID {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err = m.Read(ctx, p.Next, &Filter{}, 3); err != nil || !slices.Equal(clusters(p), []string{"c6", "c8"}) || p.More || p.Reset {
		t.Errorf("got %+v, %v", p, err)
	}
	if e := p.Events[0]; e.Name != "c6.acme" || e.Time.IsZero() || e.ID == "" {
		t.Errorf("got %+v", e)
	}
	for name, c := range map[string]struct {
		filter Filter
		want   []string
	}{
		"another tenant": {Filter{Tenant: "other"}, nil},
		"the tenant":     {Filter{Tenant: "acme"}, []string{"c0", "c2", "c4", "c6", "c8"}},
		"clusters":       {Filter{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: "c4"}, {Tenant: "other", Cluster: "c6"}}}, []string{"c4"}},
		"a type":         {Filter{Types: []Type{api.EventVersionSkew}}, nil},
	} {
		p, err := m.Read(ctx, "", &c.filter, 100)
		if err != nil || !slices.Equal(clusters(p), c.want) || p.More || p.Reset {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for _, bad := range []string{"x", "1", "-", "1-", "-1", "1-x", "1--1", strings.Repeat("1", 30) + "-1", "1-" + strings.Repeat("1", 100), "ä-1"} {
		if _, err := m.Read(ctx, bad, &Filter{}, 1); !errors.Is(err, ErrPosition) {
			t.Errorf("position %q: %v", bad, err)
		}
	}
}

// TestRecent: the newest events come first, of those that are in memory.
func TestRecent(t *testing.T) {
	m := NewMemory()
	if all := m.Recent(&Filter{}, 3); len(all) != 0 {
		t.Errorf("an empty log has %v", all)
	}
	for i := range 2 * ringSize {
		if err := m.Append(t.Context(), connected(fmt.Sprintf("c%d", i)), ""); err != nil {
			t.Fatal(err)
		}
	}
	if all := clusters(Page{Events: m.Recent(&Filter{}, 2)}); !slices.Equal(all, []string{"c2047", "c2046"}) {
		t.Errorf("got %v", all)
	}
	for cluster, n := range map[string]int{"c1024": 1, "c1023": 0, "c9999": 0} {
		f := &Filter{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: cluster}}}
		if all := m.Recent(f, 100); len(all) != n {
			t.Errorf("%s: %v", cluster, all)
		}
	}
	if all := m.Recent(&Filter{}, 1<<20); len(all) != ringSize {
		t.Errorf("got %d", len(all))
	}
}

// TestNothingIsSkippedSilently: a reader that is behind the oldest event, or comes from
// another log, is told so.
func TestNothingIsSkippedSilently(t *testing.T) {
	m, ctx := NewMemory(), t.Context()
	begin, _ := m.End(ctx)
	for i := range ringSize + 1 {
		if err := m.Append(ctx, connected(fmt.Sprintf("c%d", i)), ""); err != nil {
			t.Fatal(err)
		}
	}
	other := NewMemory()
	for range 3 {
		_ = other.Append(ctx, connected("other"), "")
	}
	foreign, _ := other.End(ctx)
	ahead := position{m.ring.epoch, ringSize + 100}.String()
	for name, after := range map[string]string{"the first, which is gone": begin, "another log": foreign, "ahead of the log": ahead} {
		p, err := m.Read(ctx, after, &Filter{}, 1)
		if err != nil || !p.Reset || !slices.Equal(clusters(p), []string{"c1"}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if p, err := m.Read(ctx, "", &Filter{}, 2*ringSize); err != nil || p.Reset || len(p.Events) != ringSize || p.More {
		t.Errorf("from the oldest: %d events, %v, %v, %v", len(p.Events), p.Reset, p.More, err)
	}
}

// TestHostileTexts: texts become one bounded line of UTF-8, and what is not an event is
// refused.
func TestHostileTexts(t *testing.T) {
	m, ctx := NewMemory(), t.Context()
	e := connected("prod")
	e.Detail = "a\r\ndata: x\u2028\x00\xff" + strings.Repeat("ä", 4096)
	e.Instance, e.Cause = strings.Repeat("\n", 500), "\xff\xfe"
	if err := m.Append(ctx, e, "x\n"); err != nil {
		t.Fatal(err)
	}
	p, _ := m.Read(ctx, "", &Filter{}, 1)
	got := p.Events[0]
	for _, s := range []string{got.Detail, got.Instance, got.Cause} {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00\u2028") || len(s) > maxDetail {
			t.Errorf("%d bytes: %.40q", len(s), s)
		}
	}
	for _, bad := range []Event{
		{}, {Type: "nonsense", Tenant: "acme", Cluster: "prod"}, {Type: api.EventVersionSkew, Tenant: "acme"},
		{Type: api.EventVersionSkew, Tenant: "acme.x", Cluster: "prod"}, {Type: api.EventVersionSkew, Tenant: "acme", Cluster: ">"},
	} {
		if err := m.Append(ctx, bad, ""); !errors.Is(err, ErrEvent) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestSubscribersAreWoken: whoever waits hears of each event that was added since, and
// nobody who does not receive holds up the log.
func TestSubscribersAreWoken(t *testing.T) {
	m, ctx := NewMemory(), t.Context()
	_, stop := m.Subscribe() // who never receives
	defer stop()
	const readers, n = 8, 500
	var all sync.WaitGroup
	for range readers {
		heard, stop := m.Subscribe()
		at, _ := m.End(ctx)
		all.Go(func() {
			defer stop()
			for seen := 0; seen < n; {
				p, err := m.Read(ctx, at, &Filter{}, 7)
				if err != nil || p.Reset {
					t.Errorf("got %+v, %v", p, err)
					return
				}
				seen, at = seen+len(p.Events), p.Next
				if !p.More && seen < n {
					<-heard
				}
			}
		})
	}
	for range n {
		if err := m.Append(ctx, connected("prod"), ""); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
