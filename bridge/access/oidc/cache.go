package oidc

import (
	"container/list"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// The size of the cache.
const (
	// maxCached bounds the tokens whose callers are kept, by the sum of their
	// lengths: about 8,000 tokens of CI jobs, or 1,000 of the longest. Decoded claims
	// take some four times as much memory.
	maxCached = 16 << 20
	// minWeight is what a token counts at least, for its lease and its timer.
	minWeight = 1 << 10
)

type digest = [sha256.Size]byte

// cache keeps the callers of tokens that have been verified, by the tokens' digests.
// It forgets the least recently used ones when it is full. A caller that was forgotten
// while one of its requests runs is remembered for as long as that: its lease can be
// ended, and the same token gives the same caller. It is safe for concurrent use.
type cache struct {
	mu      sync.Mutex // guards the rest
	entries map[digest]*entry
	recent  list.List // of entries with a caller, the last used one first
	weight  int
	limit   int
}

// entry is a token that has been verified.
type entry struct {
	digest  digest
	caller  *access.Caller // nil: held weakly alone
	weak    weak.Pointer[access.Caller]
	lease   *access.Lease
	until   time.Time // the token is good before that
	weight  int
	issuer  *issuer
	key     *key
	element *list.Element // nil where caller is
}

func newCache(limit int) *cache { return &cache{entries: map[digest]*entry{}, limit: limit} }

// get returns the caller of a token that is good, and the issuer that says so; nil:
// there is none.
func (c *cache) get(d digest, now time.Time) (*access.Caller, *issuer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[d]
	if e == nil || !now.Before(e.until) || e.lease.Ended() {
		return nil, nil
	}
	if e.caller != nil {
		c.recent.MoveToFront(e.element)
		return e.caller, e.issuer
	}
	caller := e.weak.Value()
	if caller != nil {
		c.hold(e, caller)
	}
	return caller, e.issuer
}

// add keeps a caller whose token an issuer has verified with a key, and returns the one
// to use, which is another one if the same token was added before. It returns none if
// the key was withdrawn or the issuer retired meanwhile, or if a later configuration of
// the issuer has verified the token already.
func (c *cache) add(d digest, caller *access.Caller, weight int, i *issuer, k *key) (*access.Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch old := c.entries[d]; {
	case i.retired:
		return nil, errRetired
	case !i.keys.has(k):
		return nil, unknownKey(k.id)
	case old == nil:
	case old.issuer.version > i.version:
		return nil, errRetired
	case old.issuer != i: // which is about to be retired
		c.drop(old)
		old.lease.Supersede(superseded(i.config.Name, true))
	default:
		if before := old.weak.Value(); before != nil && !old.lease.Ended() {
			return before, nil
		}
		c.drop(old)
	}
	until := caller.Expires.Add(i.config.skew())
	e := &entry{digest: d, weak: weak.Make(caller), lease: caller.Lease, until: until,
		weight: max(weight, minWeight), issuer: i, key: k}
	c.entries[d] = e
	c.hold(e, caller)
	// The lease ends when the token does, when sweep ends it, and when nothing uses
	// the caller any more. None of these may refer to the caller.
	e.lease.OnEnd(func(*access.Caller) { c.remove(e) })
	runtime.AddCleanup(caller, func(l *access.Lease) { l.End(nil) }, caller.Lease)
	return caller, nil
}

// hold makes an entry the last used one, and lets go of others if that is too much.
// The caller holds mu.
func (c *cache) hold(e *entry, caller *access.Caller) {
	e.caller, e.element = caller, c.recent.PushFront(e)
	c.weight += e.weight
	for c.weight > c.limit && c.recent.Len() > 1 {
		c.release(c.recent.Back().Value.(*entry))
	}
}

// release lets go of an entry's caller. The caller holds mu.
func (c *cache) release(e *entry) {
	if e.element == nil {
		return
	}
	c.recent.Remove(e.element)
	c.weight -= e.weight
	e.caller, e.element = nil, nil
}

// drop forgets an entry. The caller holds mu.
func (c *cache) drop(e *entry) {
	c.release(e)
	if c.entries[e.digest] == e {
		delete(c.entries, e.digest)
	}
}

func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(e)
}

// sweep ends the leases of all callers whose keys are gone.
func (c *cache) sweep() {
	for _, l := range c.take(func(e *entry) bool { return !e.issuer.keys.has(e.key) }) {
		l.End(nil)
	}
}

// retire supersedes the leases of all callers of an issuer that a configuration no
// longer has. None is added from now on.
func (c *cache) retire(i *issuer, why error) {
	c.mu.Lock()
	i.retired = true
	c.mu.Unlock()
	for _, l := range c.take(func(e *entry) bool { return e.issuer == i }) {
		l.Supersede(why)
	}
}

// take drops entries, and returns their leases.
func (c *cache) take(which func(*entry) bool) (leases []*access.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if which(e) {
			leases = append(leases, e.lease)
			c.drop(e)
		}
	}
	return leases
}
