package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the log of one bridge.
func start(t *testing.T, b *storetest.Brokers) *Durable {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDurable(s, log)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.Close()
	})
	return d
}

// follower reads a log on from where it was.
type follower struct {
	t      *testing.T
	log    Log
	at     string
	events []Event
	resets int
}

// until reads until it has n events.
func (f *follower) until(n int) {
	f.t.Helper()
	heard, stop := f.log.Subscribe()
	defer stop()
	over := time.After(time.Minute)
	for len(f.events) < n {
		p, err := f.log.Read(f.t.Context(), f.at, &Filter{}, 100)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			f.t.Fatal(err)
		}
		if p.Reset {
			f.resets++
		}
		f.events = append(f.events, p.Events...)
		if err == nil {
			f.at = p.Next
		}
		if p.More || len(f.events) >= n {
			continue
		}
		retry := time.After(time.Second)
		if err == nil {
			retry = nil
		}
		select {
		case <-heard:
		case <-retry:
		case <-over:
			f.t.Fatalf("%d events, want %d", len(f.events), n)
		}
	}
}

// read reads a page. A busy machine may have no answer of the store in time.
func read(t *testing.T, l Log, after string, f *Filter, limit int) (p Page) {
	t.Helper()
	eventually.Within(t, time.Minute, "a page", func() (err error) {
		if p, err = l.Read(t.Context(), after, f, limit); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		return err
	})
	return p
}

func appendAll(t *testing.T, l Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := connected(fmt.Sprintf("c%d", i%7))
		e.Detail = fmt.Sprint(i)
		if err := l.Append(t.Context(), e, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkOrder: each of n events is there once, and those of one cluster are in order.
func checkOrder(t *testing.T, events []Event, n int) {
	t.Helper()
	last, seen := map[string]int{}, map[string]bool{}
	for _, e := range events {
		var i int
		if _, err := fmt.Sscan(e.Detail, &i); err != nil || seen[e.Detail] || e.Type != api.EventClusterConnected || e.Name != e.Cluster+".acme" {
			t.Fatalf("%+v: twice, or not one of them", e)
		}
		if before, ok := last[e.Cluster]; ok && before > i {
			t.Errorf("%s: %d after %d", e.Cluster, i, before)
		}
		last[e.Cluster], seen[e.Detail] = i, true
	}
	if len(events) != n {
		t.Errorf("%d events, want %d", len(events), n)
	}
}

// TestTwoBridges: both append what both saw, and each reads it once, the same.
func TestTwoBridges(t *testing.T) {
	b := storetest.Start(t, 1)
	one, two := start(t, b), start(t, b)
	const n = 300
	var both sync.WaitGroup
	for _, d := range []*Durable{one, two} {
		both.Go(func() { appendAll(t, d, 0, n) })
	}
	both.Wait()
	f, g := &follower{t: t, log: one}, &follower{t: t, log: two}
	f.until(n)
	g.until(n)
	checkOrder(t, f.events, n)
	if !slices.Equal(f.events, g.events) {
		t.Error("the bridges have different events")
	}
	// Who was served by one goes on at the other, also if that one is behind.
	f.log, f.events = two, nil
	appendAll(t, one, n, n+50)
	f.until(50)
	if f.resets+g.resets > 0 {
		t.Errorf("%d resets", f.resets+g.resets)
	}
	for name, c := range map[string]struct {
		filter Filter
		want   int
	}{
		"a cluster":      {Filter{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: "c1"}}}, 50},
		"two clusters":   {Filter{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: "c1"}, {Tenant: "acme", Cluster: "c2"}}}, 100},
		"a tenant":       {Filter{Tenant: "acme"}, 350},
		"another tenant": {Filter{Tenant: "other"}, 0},
		"no tenant":      {Filter{Tenant: ">"}, 0},
		"a type":         {Filter{Types: []Type{api.EventVersionSkew}}, 0},
	} {
		p := read(t, two, "", &c.filter, 1000)
		if len(p.Events) != c.want || p.More || p.Reset {
			t.Errorf("%s: %d events, want %d; %v, %v", name, len(p.Events), c.want, p.More, p.Reset)
		}
	}
}

// TestFar: what is older than memory is read from the store, in pages, and by all filters.
func TestFar(t *testing.T) {
	b := storetest.Start(t, 1)
	writer := start(t, b)
	const n = 3 * ringSize
	appendAll(t, writer, 0, n)
	(&follower{t: t, log: writer}).until(n)
	d := start(t, b) // its memory has the newest alone
	f := &follower{t: t, log: d}
	f.until(n)
	checkOrder(t, f.events, n)
	for filter, want := range map[*Filter]int{
		{Tenant: "acme"}:  n,
		{Tenant: "other"}: 0,
		{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: "c3"}}}: (n + 3) / 7,
		{Types: []Type{api.EventVersionSkew}}:                              0,
	} {
		at, got := "", 0
		for pages := 0; ; pages++ {
			p := read(t, d, at, filter, 200)
			if p.Reset || pages > 50 {
				t.Fatalf("%+v: page %d: %v", filter, pages, p.Reset)
			}
			if at, got = p.Next, got+len(p.Events); !p.More {
				break
			}
		}
		if got != want {
			t.Errorf("%+v: %d events, want %d", filter, got, want)
		}
	}
	ahead := position{d.ring.position().epoch, n + 1000}.String()
	if p := read(t, d, ahead, &Filter{}, 1); !p.Reset || len(p.Events) != 1 {
		t.Errorf("ahead of the log: %+v", p)
	}
}

// TestBrokersAreKilled: while one broker after the other is killed, until there is no
// quorum, and comes back, nothing is lost, doubled or out of order.
func TestBrokersAreKilled(t *testing.T) {
	b := storetest.Start(t, 3)
	one, two := start(t, b), start(t, b)
	f := &follower{t: t, log: two}
	appendAll(t, one, 0, 100)
	f.until(100)
	first := b.KillLeader(subjects.StoreEvents)
	appendAll(t, one, 100, 200)
	f.until(200)
	second := b.KillLeader(subjects.StoreEvents)
	appendAll(t, one, 200, 300)
	eventually.True(t, "events that wait", func() bool { return one.queue.len() > 0 })
	b.Run(first)
	b.Run(second)
	appendAll(t, one, 300, 400)
	f.until(400)
	checkOrder(t, f.events, 400)
	if f.resets > 0 {
		t.Errorf("%d resets", f.resets)
	}
	// The other bridge may read the last ones before this one is told that they are kept.
	eventually.True(t, "no events that wait", func() bool { return one.queue.len() == 0 })
}

// TestNoRight: what a role of before does not allow is written as soon as it does.
func TestNoRight(t *testing.T) {
	b := storetest.StartOlder(t, 1)
	d := start(t, b)
	appendAll(t, d, 0, 10)
	eventually.True(t, "a refusal", func() bool { return d.store.Missing() != nil })
	if _, err := d.Read(t.Context(), "", &Filter{}, 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("read: %v", err)
	}
	b.Widen()
	f := &follower{t: t, log: d}
	f.until(10)
	checkOrder(t, f.events, 10)
}

// TestStreamIsMadeAgain: readers are told that the log is another one.
func TestStreamIsMadeAgain(t *testing.T) {
	b := storetest.Start(t, 1)
	d := start(t, b)
	appendAll(t, d, 0, 10)
	f := &follower{t: t, log: d}
	f.until(10)
	if err := b.Admin(0).DeleteStream(t.Context(), subjects.StoreEvents); err != nil {
		t.Fatal(err)
	}
	appendAll(t, d, 10, 30) // more than before
	f.until(30)
	checkOrder(t, f.events, 30)
	if f.resets != 1 {
		t.Errorf("%d resets, want 1", f.resets)
	}
}

// TestForgedEvents: whatever is in the stream, an event is one of the cluster of its
// subject, and its texts are bounded.
func TestForgedEvents(t *testing.T) {
	b := storetest.Start(t, 1)
	d := start(t, b)
	appendAll(t, d, 0, 1)
	f := &follower{t: t, log: d}
	f.until(1)
	for _, data := range []string{
		`{"type":"cluster.connected","tenant":"other","cluster":"x","name":"x.other","id":"9"}`, "nonsense", "", "[]", `{"time":7}`,
		`{"type":"a\nb","detail":"` + strings.Repeat("x", 5000) + `"}`,
	} {
		if _, err := b.As(0, "b-other").Publish(t.Context(), "fairlead.events.acme.prod", []byte(data), jetstream.WithMsgID("")); err != nil {
			t.Fatal(err)
		}
	}
	f.until(7)
	for _, e := range f.events[1:] {
		if e.Name != "prod.acme" || e.Tenant != "acme" || e.Cluster != "prod" || e.ID == "9" || strings.Contains(string(e.Type), "\n") || len(e.Detail) > maxDetail {
			t.Errorf("got %+v", e)
		}
	}
}
