package limit

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Bounds of what waits for bytes.
const (
	// minBurst is how many bytes may come at once after a pause, or those of a quarter
	// of a second if they are more: a message of the tunnel has up to 64 KiB.
	minBurst = 64 << 10
	// largestPiece and smallestPiece bound the bytes that are let through at a time,
	// 20 ms worth of them in between. Smaller pieces let other callers in sooner and
	// cost more.
	largestPiece, smallestPiece = 16 << 10, 1 << 10
	// shortestWait keeps the timer of a fast pipe from running for every piece.
	shortestWait = time.Millisecond
)

// pipe lets bytes through at a rate, in turn of their callers: each gets the same
// number of bytes while it has some that wait (start-time fair queuing). It is safe
// for concurrent use. A pipe without a rate lets everything through.
type pipe struct {
	mu      sync.Mutex
	bucket  bucket // of bytes; its rate is 0 where nothing is limited
	piece   int64
	waiting pieces
	seq     uint64 // of pieces
	// virtual is the start of the piece that was let through last, ends are those of
	// the last pieces of callers. Both are forgotten when nothing waits.
	virtual float64
	ends    map[*scope]float64
	timer   *time.Timer // nil: not made
}

// piece is some bytes that wait.
type piece struct {
	start float64 // how many bytes of a caller come before it
	seq   uint64
	bytes float64
	index int           // in the heap; -1: no longer
	let   chan struct{} // closed when they are let through
}

// setRate sets the limit in bytes a second; 0: none.
func (p *pipe) setRate(perSecond Bytes, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if perSecond == 0 {
		p.bucket = bucket{}
		for len(p.waiting) > 0 {
			p.pass(heap.Pop(&p.waiting).(*piece))
		}
		return
	}
	p.bucket.set(float64(perSecond), float64(max(minBurst, perSecond/4)), now)
	p.piece = int64(min(largestPiece, max(smallestPiece, perSecond/50)))
	p.serve(now)
}

// take waits until n bytes of the caller may pass, or returns the cause of ctx's end.
func (p *pipe) take(ctx context.Context, caller *scope, n int64) error {
	for n > 0 {
		taken, w := p.reserve(caller, n)
		n -= taken
		if w == nil {
			continue
		}
		select {
		case <-w.let:
		case <-ctx.Done():
			p.abandon(w)
			return context.Cause(ctx)
		}
	}
	return nil
}

// reserve takes n bytes, or makes a piece of them wait. It returns how many bytes it
// was about.
func (p *pipe) reserve(caller *scope, n int64) (int64, *piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bucket.rate == 0 {
		return n, nil
	}
	now := time.Now()
	if len(p.waiting) == 0 {
		if burst := int64(p.bucket.burst); n > burst {
			n = burst
		}
		if p.bucket.take(float64(n), now) == 0 {
			return n, nil
		}
	}
	n = min(n, p.piece)
	if p.ends == nil {
		p.ends = make(map[*scope]float64)
	}
	start := max(p.virtual, p.ends[caller])
	p.ends[caller] = start + float64(n)
	w := &piece{start: start, seq: p.seq, bytes: float64(n), let: make(chan struct{})}
	p.seq++
	heap.Push(&p.waiting, w)
	p.serve(now)
	return n, w
}

// abandon drops a piece that no one waits for any more.
func (p *pipe) abandon(w *piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&p.waiting, w.index)
		p.forget()
	}
}

// serve lets through what there is room for, and comes back for the rest. The caller
// holds mu.
func (p *pipe) serve(now time.Time) {
	for len(p.waiting) > 0 {
		next := p.waiting[0]
		wait := p.bucket.take(next.bytes, now)
		if wait > 0 {
			p.wake(max(wait, shortestWait))
			return
		}
		p.virtual = next.start
		p.pass(heap.Pop(&p.waiting).(*piece))
	}
}

// pass lets a piece through that is no longer in the heap. The caller holds mu.
func (p *pipe) pass(w *piece) {
	close(w.let)
	p.forget()
}

// forget forgets who had how many bytes, when nothing waits. The caller holds mu.
func (p *pipe) forget() {
	if len(p.waiting) == 0 {
		p.virtual = 0
		clear(p.ends)
	}
}

func (p *pipe) wake(after time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(after, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.bucket.rate > 0 {
				p.serve(time.Now())
			}
		})
		return
	}
	p.timer.Reset(after)
}

// pieces is a heap: the first one has the fewest bytes of its caller before it.
type pieces []*piece

func (h pieces) Len() int { return len(h) }
func (h pieces) Less(i, j int) bool {
	if h[i].start != h[j].start {
		return h[i].start < h[j].start
	}
	return h[i].seq < h[j].seq
}
func (h pieces) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *pieces) Push(x any) {
	w := x.(*piece)
	w.index = len(*h)
	*h = append(*h, w)
}
func (h *pieces) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h, w.index = old[:len(old)-1], -1
	return w
}
