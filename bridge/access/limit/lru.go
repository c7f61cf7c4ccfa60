package limit

import (
	"container/list"
	"sync"
)

// maxIdle bounds the callers, and the grants, and the clusters, of which something is
// remembered although no request of theirs runs. Each takes less than 1 KiB, so that all
// take some MB. What is forgotten begins with a full burst when it comes back: a caller
// gains by that only if 10,000 others are let in meanwhile.
const maxIdle = 10_000

// maxSkipped bounds how many entries in use are passed over to find one that is
// not. Where all of them are in use the cache grows: they are bounded by running
// requests.
const maxSkipped = 8

// lru remembers the scopes that were used last. Those in use are never forgotten.
type lru[K comparable] struct {
	max int

	mu      sync.Mutex
	entries map[K]*list.Element // of *entry[K]
	order   list.List           // the last used one is in front
}

type entry[K comparable] struct {
	key   K
	scope *scope
}

func newLRU[K comparable](size int) *lru[K] {
	return &lru[K]{entries: make(map[K]*list.Element), max: size}
}

// use returns the scope of k, made by create if it is not known. [lru.unuse] must
// follow.
func (c *lru[K]) use(k K, create func(K) *scope) *scope {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.order.MoveToFront(e)
		s := e.Value.(*entry[K]).scope
		s.users++
		return s
	}
	for n := 0; n < maxSkipped && c.order.Len() >= c.max; n++ {
		last := c.order.Back()
		e := last.Value.(*entry[K])
		if e.scope.users > 0 {
			c.order.MoveToFront(last)
			continue
		}
		c.order.Remove(last)
		delete(c.entries, e.key)
	}
	s := create(k)
	s.users = 1
	c.entries[k] = c.order.PushFront(&entry[K]{k, s})
	return s
}

func (c *lru[K]) unuse(s *scope) {
	c.mu.Lock()
	s.users--
	c.mu.Unlock()
}
