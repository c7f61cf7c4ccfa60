package limit

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// pace lets requests to one cluster in at its rate. Requests that come faster wait, in one
// queue for each caller, and the queues take turns, so that callers who send more than
// they can get have equal shares. A caller who begins to wait comes after the next request
// of everybody who waits already, so that new names are of no advantage. It is safe for
// concurrent use. The zero value lets everything in.
type pace struct {
	mu      sync.Mutex
	bucket  bucket            // its rate is 0 where nothing is limited
	queues  map[*scope]*queue // of callers with requests that wait
	waiting int               // requests, in all queues
	served  uint64            // requests that were let in since some wait
	begun   uint64            // queues
	timer   *time.Timer       // nil: not made
}

// queue has the requests of one caller that wait.
type queue struct {
	turns []*turn // the next one is in front
	stamp uint64  // what served was when the queue was served last, or else when it began
	seq   uint64  // of queues
}

// set makes the rate hold from now on; 0: none.
func (p *pace) set(rate, burst float64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rate == 0 {
		p.bucket = bucket{}
	} else {
		p.bucket.set(rate, burst, now)
	}
	p.serve(now)
}

// enter waits until a request of the caller is in time, for at most wait. If it
// cannot be, over is after how long it could be, more than 0. A request that would have
// to wait for longer does not wait at all.
func (p *pace) enter(ctx context.Context, caller *scope, wait time.Duration) (over time.Duration, waited bool) {
	p.mu.Lock()
	now := time.Now()
	if p.waiting == 0 && (p.bucket.rate == 0 || p.bucket.take(1, now) == 0) {
		p.mu.Unlock()
		return 0, false
	}
	p.serve(now) // what has come in since the timer was set
	if over = p.after(caller, now); over > wait {
		p.mu.Unlock()
		return over, false
	}
	t := p.enqueue(caller)
	p.serve(now)
	p.mu.Unlock()
	if t != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-t.done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t != nil && t.in {
		return 0, true
	}
	if q := p.queues[caller]; q != nil {
		if i := slices.Index(q.turns, t); i >= 0 {
			p.remove(caller, q, i)
		}
	}
	return max(p.after(caller, time.Now()), time.Nanosecond), true
}

// give gives back what a request took that did not run.
func (p *pace) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bucket.rate > 0 {
		p.bucket.give(1)
		p.serve(time.Now())
	}
}

// The methods below are called with mu held.

// after returns after how long another request of the caller would be served if no
// others came.
func (p *pace) after(caller *scope, now time.Time) time.Duration {
	if p.bucket.rate == 0 {
		return 0
	}
	own := &queue{stamp: p.served, seq: p.begun + 1}
	if q := p.queues[caller]; q != nil {
		own = q
	}
	before := len(own.turns)
	for _, q := range p.queues {
		if q == own {
			continue
		}
		n := min(len(q.turns), len(own.turns))
		if len(q.turns) > n && q.before(own) {
			n++
		}
		before += n
	}
	p.bucket.fill(now)
	missing := float64(before) + 1 - p.bucket.tokens
	if missing <= rounding {
		return 0
	}
	return time.Duration(math.Ceil(missing / p.bucket.rate * float64(time.Second)))
}

// before reports whether the queue is served before another one.
func (q *queue) before(other *queue) bool {
	if q.stamp != other.stamp {
		return q.stamp < other.stamp
	}
	return q.seq < other.seq
}

// enqueue adds a request to its caller's queue. Where the queues are full, the request
// that came last to the longest of them makes room; nil: it is this one.
func (p *pace) enqueue(caller *scope) *turn {
	q := p.queues[caller]
	if p.waiting >= maxWaiting {
		longestOf, longest := caller, q
		for s, other := range p.queues {
			if longest == nil || len(other.turns) > len(longest.turns) {
				longestOf, longest = s, other
			}
		}
		if longest == q {
			return nil
		}
		last := len(longest.turns) - 1
		close(longest.turns[last].done)
		p.remove(longestOf, longest, last)
	}
	if q == nil {
		if p.queues == nil {
			p.queues = make(map[*scope]*queue)
		}
		p.begun++
		q = &queue{stamp: p.served, seq: p.begun}
		p.queues[caller] = q
	}
	t := &turn{done: make(chan struct{})}
	q.turns = append(q.turns, t)
	p.waiting++
	return t
}

// remove takes a request out of its caller's queue.
func (p *pace) remove(caller *scope, q *queue, i int) {
	q.turns = slices.Delete(q.turns, i, i+1)
	p.waiting--
	if len(q.turns) == 0 {
		delete(p.queues, caller)
	}
	if p.waiting == 0 {
		p.served = 0
	}
}

// serve lets in those that wait, as far as they are in time, and sets the timer for the
// next one.
func (p *pace) serve(now time.Time) {
	for p.waiting > 0 {
		if p.bucket.rate > 0 {
			if after := p.bucket.take(1, now); after > 0 {
				// Not for each request of a fast rate, but before the bucket is full.
				full := time.Duration(p.bucket.burst / p.bucket.rate * float64(time.Second))
				p.wake(max(after, min(shortestWait, full)))
				return
			}
		}
		var caller *scope
		var next *queue
		for s, q := range p.queues {
			if next == nil || q.before(next) {
				caller, next = s, q
			}
		}
		t := next.turns[0]
		t.in = true
		close(t.done)
		p.served++
		next.stamp = p.served
		p.remove(caller, next, 0)
	}
}

func (p *pace) wake(after time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(after, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.serve(time.Now())
		})
		return
	}
	p.timer.Reset(after)
}
