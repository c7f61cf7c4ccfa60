package workers

import (
	"sync"
	"sync/atomic"
	"time"
)

// idleTime is how long a goroutine waits for its next item.
const idleTime = time.Second

// Pool runs a function for each item. Starting a goroutine for each costs a
// tenth of the rate of small streams, because each new stack has to grow again.
// It is safe for concurrent use.
type Pool[T any] struct {
	handle func(T)
	next   chan T
	quit   chan struct{}
	wg     sync.WaitGroup

	running atomic.Int64

	mu     sync.Mutex // guards closed, and wg.Add against wg.Wait
	closed bool
}

// New returns a pool that calls handle for each item.
func New[T any](handle func(T)) *Pool[T] {
	return &Pool[T]{handle: handle, next: make(chan T), quit: make(chan struct{})}
}

// Run has handle called for an item. It does not block. It reports false, and
// handle is not called, if the pool is closed.
func (p *Pool[T]) Run(item T) bool {
	p.running.Add(1)
	select {
	case p.next <- item:
		return true
	default:
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.wg.Add(1)
	}
	p.mu.Unlock()
	if closed {
		p.running.Add(-1)
		return false
	}
	go p.loop(item)
	return true
}

// Running returns how many calls of handle have not returned, those that are
// about to begin included.
func (p *Pool[T]) Running() int64 { return p.running.Load() }

func (p *Pool[T]) loop(item T) {
	defer p.wg.Done()
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		p.call(item)
		var none T
		item = none // what an idle goroutine holds cannot be freed
		idle.Reset(idleTime)
		select {
		case item = <-p.next:
		case <-idle.C:
			return
		case <-p.quit:
			return
		}
	}
}

// call keeps the count right even if handle ends its goroutine.
func (p *Pool[T]) call(item T) {
	defer p.running.Add(-1)
	p.handle(item)
}

// Close waits for the running calls and ends the goroutines. It is called once,
// and not by handle.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.quit)
	p.wg.Wait()
}
