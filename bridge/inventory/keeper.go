package inventory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// auditInterval is the time between two looks at what has not changed.
	auditInterval = 10 * time.Second
	// unseenFor is how long no bridge has seen a cluster that is connected by its record, for
	// it to count as gone though this bridge never heard it: others keep every minute when
	// they saw it.
	unseenFor = 75 * time.Second
)

// keeper keeps the records of clusters and tells of their changes.
type keeper struct {
	shelf   *shelf
	events  events.Log // nil: nothing is told
	version string
	log     *slog.Logger
	turn    chan struct{} // of roll calls
}

// tenantKeeper is a keeper's work for one connection of a tenant. One goroutine uses it.
type tenantKeeper struct {
	*keeper
	conn     *tenant.Conn
	heard    chan struct{} // closed once every agent has been heard
	due      map[string]bool
	audited  time.Time
	listened bool
}

// follow returns a keeper for a connection. stop ends its goroutines.
func (k *keeper) follow(ctx context.Context, conn *tenant.Conn) (t *tenantKeeper, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	t = &tenantKeeper{keeper: k, conn: conn, heard: make(chan struct{}), due: make(map[string]bool)}
	var all sync.WaitGroup
	all.Go(func() { (&rollCall{shelf: k.shelf, conn: conn, turn: k.turn}).run(ctx) })
	all.Go(func() {
		for ctx.Err() == nil {
			if conn.Directory().ListenOnce(ctx, listenTime) == nil {
				close(t.heard)
				return
			}
			sleep.For(ctx, time.Second)
		}
	})
	return t, func() {
		cancel()
		all.Wait()
	}
}

// look judges the clusters that changed and, from time to time, the others.
func (t *tenantKeeper) look(ctx context.Context, changed []directory.Cluster) {
	dir, name := t.conn.Directory(), t.conn.Tenant()
	for cluster, seen := range t.shelf.takeFresh(name) {
		dir.Recall(cluster, seen)
	}
	for i := range changed {
		t.due[changed[i].Name] = true
	}
	select {
	case <-t.heard:
		t.listened = true
	default:
	}
	now := time.Now()
	if t.listened && now.Sub(t.audited) >= auditInterval {
		t.audited = now
		for c := range dir.All("") {
			if r := t.shelf.get(subjects.ClusterRef{Tenant: name, Cluster: c.Name}); len(c.Instances) > 0 && now.Sub(r.LastSeen) >= time.Minute {
				t.due[c.Name] = true
			}
		}
		for _, cluster := range t.shelf.unseen(name, unseenFor) {
			t.due[cluster] = true
		}
	}
	for cluster := range t.due {
		if c := dir.Cluster(cluster); t.judge(ctx, &c, now) {
			delete(t.due, cluster)
		}
	}
}

// judge reports whether nothing is left to be judged of a cluster.
func (t *tenantKeeper) judge(ctx context.Context, c *directory.Cluster, now time.Time) bool {
	switch c.State {
	case directory.Unknown: // removed from the list
		return true
	case directory.Disconnected, directory.Reconnecting:
		return false
	}
	if len(c.Instances) == 0 && !t.listened {
		return false
	}
	ref := subjects.ClusterRef{Tenant: t.conn.Tenant(), Cluster: c.Name}
	s := t.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.at(ref)
	if !s.known || k != nil && !k.judged.take(now) {
		return false
	}
	if k == nil {
		return true // no room: its state is shown all the same
	}
	j := judge(ref, k.record, c, now, t.version)
	if !j.worth() {
		k.judged.refund() // it cost nothing
		return true
	}
	k.record = j.now
	s.queue(ref, k)
	for _, e := range j.events {
		if t.events == nil {
			break
		}
		if err := t.events.Append(ctx, e.event, e.dedupe); err != nil {
			t.log.Error("an event was not told", "type", string(e.event.Type), "cluster", ref.String(), "error", err)
		}
	}
	return true
}
