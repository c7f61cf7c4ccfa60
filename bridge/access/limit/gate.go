package limit

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of the queue before a cluster.
const (
	// maxWait is how long a request waits for its turn, all in all. Clients that are
	// told to come back do so after a second or more: shorter waits would send them
	// away for longer than the queue needs, and longer ones would look like a hang.
	maxWait = 2 * time.Second
	// maxWaiting bounds the requests that wait for one cluster. Each holds a goroutine
	// and a connection, some 20 KB. A cluster that ends fewer than 500 requests a
	// second could not serve more of them within maxWait.
	maxWaiting = 1024
	// probeEvery is how often it is tried whether the agents take more requests again.
	// They have other bridges, so that the end of a request of this one need not come
	// first.
	probeEvery = 50 * time.Millisecond
)

// gate lets requests to one cluster in, in turn of their callers: the caller that has
// the fewest requests running is next, and of several the one that was served least
// recently. It is safe for concurrent use.
type gate struct {
	mu      sync.Mutex
	limit   int // of running requests; 0: none
	running int
	shares  map[*scope]*share // of callers with requests that run or wait
	queues  []*share          // those with requests that wait; the last served one is at the end
	waiting int               // requests, in all queues
	// full says that the agents have refused requests since the queue was last
	// empty, most is how many requests they are thought to take from this bridge.
	full bool
	most int
	// probing says that more will be called.
	probing bool
}

// share is what one caller has in a gate.
type share struct {
	caller  *scope
	users   int // requests that run or wait
	running int
	queue   []*turn // the next one is in front
}

// turn is a request that waits.
type turn struct {
	done chan struct{} // closed when it is decided
	in   bool          // let in; gate.mu guards it until done is closed
}

var shares = sync.Pool{New: func() any { return new(share) }}

func newGate() *gate { return &gate{shares: make(map[*scope]*share)} }

// setLimit bounds the running requests; 0: no longer.
func (g *gate) setLimit(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = n
	g.dispatch()
}

// enter waits until a request of the caller may run, which [gate.leave] ends. It
// reports whether it may, and whether it waited.
func (g *gate) enter(ctx context.Context, caller *scope, wait time.Duration) (in, waited bool) {
	g.mu.Lock()
	s := g.share(caller)
	if g.waiting == 0 && g.room() {
		g.start(s)
		g.mu.Unlock()
		return true, false
	}
	t := g.enqueue(s, false)
	g.mu.Unlock()
	return g.await(ctx, s, t, wait), true
}

// again is enter for a request that the agents have just refused. It has waited
// before, so that it is in front of its caller's queue. inside says that it has
// entered, which ends.
func (g *gate) again(ctx context.Context, caller *scope, inside bool, wait time.Duration) bool {
	g.mu.Lock()
	var s *share
	if inside {
		s = g.shares[caller]
		g.running--
		s.running--
	} else {
		s = g.share(caller)
	}
	g.full, g.most = true, g.running
	t := g.enqueue(s, true)
	g.dispatch()
	g.mu.Unlock()
	return g.await(ctx, s, t, wait)
}

// leave ends what enter and again have begun.
func (g *gate) leave(caller *scope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.shares[caller]
	g.running--
	s.running--
	g.dispatch()
	g.release(s)
}

// await waits for a turn; nil: there is none.
func (g *gate) await(ctx context.Context, s *share, t *turn, wait time.Duration) bool {
	if t != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-t.done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t != nil && t.in {
		return true
	}
	if i := slices.Index(s.queue, t); i >= 0 {
		g.remove(s, i)
		g.dispatch() // which notices that nobody waits any more
	}
	g.release(s)
	return false
}

// The methods below are called with mu held.

// share returns the share of a caller, for one more request that runs or waits until
// release.
func (g *gate) share(caller *scope) *share {
	s, ok := g.shares[caller]
	if !ok {
		s = shares.Get().(*share)
		s.caller = caller
		g.shares[caller] = s
	}
	s.users++
	return s
}

func (g *gate) release(s *share) {
	if s.users--; s.users == 0 {
		delete(g.shares, s.caller)
		s.caller = nil
		shares.Put(s)
	}
}

func (g *gate) room() bool {
	return (g.limit == 0 || g.running < g.limit) && (!g.full || g.running < g.most)
}

func (g *gate) start(s *share) {
	g.running++
	s.running++
}

// enqueue adds a request to its caller's queue. Where the queues are full, the request
// that came last to the longest of them makes room; nil: it is this one.
func (g *gate) enqueue(s *share, front bool) *turn {
	if g.waiting >= maxWaiting {
		longest := s
		for _, other := range g.queues {
			if len(other.queue) > len(longest.queue) {
				longest = other
			}
		}
		if longest == s {
			return nil
		}
		last := len(longest.queue) - 1
		close(longest.queue[last].done)
		g.remove(longest, last)
	}
	t := &turn{done: make(chan struct{})}
	if len(s.queue) == 0 {
		g.queues = append(g.queues, s)
	}
	if front {
		s.queue = slices.Insert(s.queue, 0, t)
	} else {
		s.queue = append(s.queue, t)
	}
	g.waiting++
	g.watch()
	return t
}

// remove takes a request out of its caller's queue.
func (g *gate) remove(s *share, i int) {
	s.queue = slices.Delete(s.queue, i, i+1)
	g.waiting--
	if len(s.queue) == 0 {
		at := slices.Index(g.queues, s)
		g.queues = slices.Delete(g.queues, at, at+1)
	}
}

// dispatch lets in those that wait, as far as there is room.
func (g *gate) dispatch() {
	for g.waiting > 0 && g.room() {
		next := 0
		for i, s := range g.queues {
			if s.running < g.queues[next].running {
				next = i
			}
		}
		s := g.queues[next]
		g.queues = append(slices.Delete(g.queues, next, next+1), s) // served last
		t := s.queue[0]
		g.remove(s, 0)
		g.start(s)
		t.in = true
		close(t.done)
	}
	g.watch()
}

// watch keeps the probe going while the agents are full and requests wait. When none
// waits any more, it is forgotten that the agents are full.
func (g *gate) watch() {
	if g.waiting == 0 {
		g.full = false
	}
	if g.full && !g.probing {
		g.probing = true
		time.AfterFunc(probeEvery, g.more)
	}
}

// more lets in some more requests than the agents are thought to take: an eighth, so
// that what they refuse for it is little, and twice as many take a quarter of a
// second.
func (g *gate) more() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.most += max(1, g.most/8)
	g.dispatch()
}
