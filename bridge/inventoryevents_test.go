package bridge

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// watching is a bridge with an inventory.
type watching struct {
	*rig
	log   events.Log
	stop  context.CancelFunc
	ended chan struct{}
}

// newWatching starts a bridge whose inventory is in the brokers' store, or in memory for nil.
func newWatching(t *testing.T, b *storetest.Brokers, o rigOptions) *watching {
	t.Helper()
	w := &watching{ended: make(chan struct{})}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	watcher := &inventory.Watcher{Version: "v1.2.3", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	var durable *events.Durable
	if b == nil {
		w.log = events.NewMemory()
	} else {
		s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: watcher.Logger})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		durable = events.NewDurable(s, watcher.Logger)
		w.log, watcher.Bucket = durable, kv.New(s, store.Inventory())
	}
	watcher.Events = w.log
	o.config = func(c *Config) { c.Inventory, c.Events = watcher, w.log }
	w.rig = newRig(t, o)
	watcher.Tenants = w.pool
	told := make(chan struct{})
	go func() {
		defer close(told)
		if durable != nil {
			_ = durable.Run(ctx)
		}
	}()
	go func() {
		defer close(w.ended)
		watcher.Run(ctx)
		<-told
	}()
	t.Cleanup(w.halt)
	return w
}

// halt stops the inventory, as a bridge does that stops.
func (w *watching) halt() {
	w.stop()
	<-w.ended
}

// told are the events of a cluster in the log, as "type cause".
func (w *watching) told(cluster string) (all []string) {
	page, err := w.log.Read(w.t.Context(), "", &events.Filter{Clusters: []subjects.ClusterRef{{Tenant: "acme", Cluster: cluster}}}, 100)
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range page.Events {
		if !strings.HasPrefix(string(e.Type), "instance.") {
			all = append(all, string(e.Type)+" "+e.Cause)
		}
	}
	return all
}

// join connects an agent, which kill cuts off without a goodbye.
func (w *watching) join(cluster string, p subjects.Presence) (a *natslink.Agent, kill func()) {
	w.t.Helper()
	nc := w.nats.Agent(w.t, "acme", cluster)
	a, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'), Stream: stream.Config{Handler: func(*stream.Stream) {}}, Presence: func() subjects.Presence { return p },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = a.Close() })
	return a, nc.Close
}

func (w *watching) tells(cluster string, want ...string) {
	w.t.Helper()
	var got []string
	deadline := time.Now().Add(30 * time.Second)
	for got = w.told(cluster); !slices.Equal(got, want) && time.Now().Before(deadline); got = w.told(cluster) {
		time.Sleep(20 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("events of %s: %q, want %q", cluster, got, want)
	}
}

// TestInventoryTells: what happens to a cluster is in the log of the bridge.
func TestInventoryTells(t *testing.T) {
	t.Parallel()
	w := newWatching(t, nil, rigOptions{})
	a, _ := w.join("prod", subjects.Presence{Reachable: true, Version: "v1.2.3"})
	w.tells("prod", "cluster.connected ")
	_ = a.Close()
	w.tells("prod", "cluster.connected ", "cluster.disconnected goodbye")
	_, kill := w.join("dev", subjects.Presence{Version: "v1.0.0"})
	w.tells("dev", "cluster.connected ", "cluster.degraded api-server-unreachable", "version.skew ")
	kill()
}

// TestInventoryIsShared: two bridges tell of each change once, and a bridge that is started
// later knows when a cluster was seen that is gone, and what it was.
func TestInventoryIsShared(t *testing.T) {
	b := storetest.Start(t, 3)
	one := newWatching(t, b, rigOptions{})
	two := newWatching(t, b, rigOptions{nats: one.nats})
	_, kill := one.join("prod", subjects.Presence{Reachable: true, Kubernetes: "v1.31.1+k3s1", Labels: map[string]string{"env": "prod"}})
	stays, _ := one.join("stays", subjects.Presence{Reachable: true})
	one.tells("prod", "cluster.connected ")
	one.tells("stays", "cluster.connected ")
	two.eventually("the other bridge hears both", func() bool { // otherwise it says that it did not
		list, err := two.goClient(two.token).Clusters(t.Context(), client.ClusterFilter{Tenant: "acme", State: "online"})
		return err == nil && slices.Equal(names(list), []string{"prod.acme", "stays.acme"})
	})
	killed := time.Now()
	kill()
	want := []string{"cluster.connected ", "cluster.disconnected lost"}
	one.tells("prod", want...)
	two.tells("prod", want...)
	seen := time.Now()

	one.halt()
	two.halt()
	_ = stays.Close() // no bridge is there to hear it
	three := newWatching(t, b, rigOptions{nats: one.nats})
	c := three.goClient(three.token)
	three.eventually("what was known is known again", func() bool {
		list, err := c.Clusters(t.Context(), client.ClusterFilter{Tenant: "acme", State: "offline", LabelSelector: "env=prod"})
		if err != nil || !slices.Equal(names(list), []string{"prod.acme"}) {
			return false
		}
		prod := list.Clusters[0]
		return prod.OfflineSince != nil && killed.Sub(*prod.OfflineSince) < 20*time.Second && prod.OfflineSince.Before(seen) && prod.Kubernetes == "v1.31.1+k3s1" && prod.Distribution == "k3s"
	})
	if one, err := c.Cluster(t.Context(), "stays.acme"); err != nil || one.State != "offline" || one.LastSeen == nil {
		t.Errorf("%+v, %v", one, err)
	}
	three.tells("prod", want...)
}
