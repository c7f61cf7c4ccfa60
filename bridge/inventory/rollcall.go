package inventory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// callBatch clusters are asked at a time, with callPause after it: 5,000 a second, of all
	// tenants together. An answer is an announcement, which every bridge gets and which
	// begins a new interval of its agent, so that it takes the place of one that would have
	// come. 10,000 agents announce themselves 2,000 times a second at all times. For two
	// seconds they are asked to do so 5,000 times a second, and later never do more often.
	callBatch = 100
	callPause = 20 * time.Millisecond
	// maxCalled bounds the clusters of a tenant that are asked: accounts are made for 20,000
	// connections.
	maxCalled = 20_000
	// callLook is how often it is looked whose answers are missing. Those are asked again
	// after callAgain, callRounds times in all: an answer may pass a broker node that does
	// not know yet that the bridge is there.
	callLook   = 50 * time.Millisecond
	callAgain  = time.Second
	callRounds = 3
	// callSettle is how long it is waited for further agents of clusters that have answered,
	// and for clusters that were offline and may be back.
	callSettle = 500 * time.Millisecond
	// callBack is how long a cluster may have been offline for it to be asked whether it is
	// back: no bridge may have been there to hear it.
	callBack = 24 * time.Hour
)

// rollCall asks the agents of a tenant that were known before this connection to announce
// themselves, so that a bridge that is started has heard them sooner than by their
// heartbeats. If all clusters answer that are connected by their records, its directory is
// complete. If one does not, it may be on its way back, and lists wait as without a call.
type rollCall struct {
	shelf *shelf
	conn  *tenant.Conn
	turn  chan struct{} // has room for whoever may ask
}

// run returns when the call has ended, at the latest when every agent should have been heard
// without it.
func (r *rollCall) run(ctx context.Context) {
	dir := r.conn.Directory()
	if dir.Listen(ctx, 0) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listenTime)
	defer cancel()
	tick := time.NewTicker(callLook)
	defer tick.Stop()
	for !r.shelf.isKnown() {
		if !next(ctx, tick.C) {
			return
		}
	}
	missing, others := r.shelf.callable(r.conn.Tenant(), time.Now().Add(-callBack))
	if len(missing) == 0 {
		return // the bucket may be new
	}
	r.ask(ctx, missing)
	r.ask(ctx, others)
	for asked, rounds := time.Now(), 1; ; {
		if missing = r.missing(missing); len(missing) == 0 {
			break
		}
		if time.Since(asked) >= callAgain && rounds < callRounds {
			r.ask(ctx, missing)
			asked = time.Now()
			rounds++
		}
		if !next(ctx, tick.C) {
			return
		}
	}
	if sleep.For(ctx, callSettle); ctx.Err() == nil {
		dir.Complete()
	}
}

// missing returns those of the clusters that were not heard, and of which nobody knows
// meanwhile that they are gone.
func (r *rollCall) missing(names []string) []string {
	return slices.DeleteFunc(r.conn.Directory().Unheard(names), func(name string) bool {
		return !r.shelf.get(subjects.ClusterRef{Tenant: r.conn.Tenant(), Cluster: name}).Connected
	})
}

// ask asks those of the clusters that were not heard.
func (r *rollCall) ask(ctx context.Context, names []string) {
	for batch := range slices.Chunk(names, callBatch) {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch = r.conn.Directory().Unheard(batch)
		for _, name := range batch {
			_ = r.conn.Query(name) // one that cannot be asked now is asked in the next round
		}
		sleep.For(ctx, callPause*time.Duration(len(batch))/callBatch)
		<-r.turn
	}
}

// next waits for a tick. It returns false when ctx has ended.
func next(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-ctx.Done():
		return false
	}
}

// callable returns the clusters of a tenant that are connected by their records, and those
// that were seen since a time, the latest first.
func (s *shelf) callable(tenant string, since time.Time) (connected, others []string) {
	type seen struct {
		name string
		at   time.Time
	}
	var gone []seen
	s.mu.Lock()
	for ref, k := range s.records {
		switch {
		case ref.Tenant != tenant:
		case k.Connected:
			connected = append(connected, ref.Cluster)
		case k.LastSeen.After(since):
			gone = append(gone, seen{ref.Cluster, k.LastSeen})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(gone, func(a, b seen) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.name, b.name)) })
	for _, g := range gone[:min(len(gone), max(maxCalled-len(connected), 0))] {
		others = append(others, g.name)
	}
	return connected, others
}

// isKnown reports whether all that the bucket had has been read.
func (s *shelf) isKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}
