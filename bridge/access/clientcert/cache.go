package clientcert

import (
	"crypto/x509"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// cache has the callers whose certificates have been verified, for as long as
// something uses them: a caller is held weakly. So the lease of every running request
// is known, and nobody can fill the cache. A caller whose requests have all ended is
// verified again after the next garbage collection, which takes 0.1 ms. It is safe
// for concurrent use.
type cache struct {
	mu      sync.Mutex // guards entries
	entries map[digest]*entry
}

// entry must not refer to its caller.
type entry struct {
	digest digest
	proofs []proof
	caller weak.Pointer[access.Caller]
	lease  *access.Lease
	until  time.Time // the lease ends then too, but by a clock that does not change with the system's
}

// get returns the caller of proofs with this digest; nil: they must be verified.
func (c *cache) get(d digest) *access.Caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[d]
	if e == nil || e.lease.Ended() || !time.Now().Before(e.until) {
		return nil
	}
	return e.caller.Value()
}

// verify returns the caller that the last of proofs names, once all are verified.
func (c *cache) verify(d digest, proofs []proof) (*access.Caller, error) {
	for {
		v, err := verifyAll(proofs, time.Now())
		if err != nil {
			return nil, err
		}
		caller, err := user(proofs[len(proofs)-1].certs[0], v.until)
		if err != nil {
			return nil, err
		}
		if kept := c.add(d, caller, proofs, v); kept != nil {
			return kept, nil
		} // a bundle has changed meanwhile
	}
}

// verification is the result for proofs with certain sets of CAs.
type verification struct {
	until time.Time
	pools []*x509.CertPool
}

func verifyAll(proofs []proof, now time.Time) (v verification, err error) {
	for i := range proofs {
		pool := proofs[i].bundle.pool.Load()
		until, err := proofs[i].verify(pool, now)
		if err != nil {
			return verification{}, err
		}
		if i == 0 || until.Before(v.until) {
			v.until = until
		}
		v.pools = append(v.pools, pool)
	}
	return v, nil
}

// add keeps a caller and returns the one to use: another one if the same certificates
// were verified at the same time. It returns nil if a bundle has changed since the
// verification, as the sweep may have been before.
func (c *cache) add(d digest, caller *access.Caller, proofs []proof, v verification) *access.Caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range proofs {
		if proofs[i].bundle.pool.Load() != v.pools[i] {
			return nil
		}
	}
	if e := c.entries[d]; e != nil && !e.lease.Ended() {
		if other := e.caller.Value(); other != nil {
			return other
		}
	}
	caller.Lease = access.NewLeaseUntil(v.until)
	e := &entry{digest: d, proofs: proofs, caller: weak.Make(caller), lease: caller.Lease, until: v.until}
	c.entries[d] = e
	caller.Lease.OnEnd(func(*access.Caller) { c.remove(e) })
	// It stops the timer of the lease.
	runtime.AddCleanup(caller, func(l *access.Lease) { l.End(nil) }, caller.Lease)
	return caller
}

func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.digest] == e {
		delete(c.entries, e.digest)
	}
}

// sweep ends the leases of callers whose certificates do not lead to the bundles any
// more. It is called after a change of these.
func (c *cache) sweep(end func(*access.Lease)) {
	c.mu.Lock()
	all := make([]*entry, 0, len(c.entries))
	for _, e := range c.entries {
		all = append(all, e)
	}
	c.mu.Unlock()
	now := time.Now()
	for _, e := range all {
		if _, err := verifyAll(e.proofs, now); err != nil {
			end(e.lease)
		}
	}
}
