package oidc

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// fakeIssuer has a key and reads none.
func fakeIssuer() (*issuer, *key) {
	k, none := &key{id: "one"}, time.Duration(0)
	return &issuer{config: Issuer{ClockSkew: &none}, keys: &keyring{keys: []*key{k}, changed: make(chan struct{})}}, k
}

func fakeCaller(n int) (digest, *access.Caller) {
	until := time.Now().Add(time.Hour)
	c := &access.Caller{Name: fmt.Sprint("caller ", n), Expires: until, Lease: access.NewLeaseUntil(until)}
	return sha256.Sum256([]byte(c.Name)), c
}

// keep adds a caller and returns the one to use.
func keep(c *cache, d digest, caller *access.Caller, weight int, i *issuer, k *key) *access.Caller {
	kept, _ := c.add(d, caller, weight, i, k)
	return kept
}

// known is the caller that get returns.
func (c *cache) known(d digest, now time.Time) *access.Caller {
	caller, _ := c.get(d, now)
	return caller
}

// waitKnown waits until so many tokens are known, of which the garbage collector
// decides.
func waitKnown(t testing.TB, c *cache, want int) {
	t.Helper()
	eventually.Nil(t, "the number of known tokens", func() error {
		runtime.GC()
		if known, held := c.len(); known != want {
			return fmt.Errorf("%d tokens are known, %d of them held; want %d", known, held, want)
		}
		return nil
	})
}

func waitForgotten(t testing.TB, c *cache) { t.Helper(); waitKnown(t, c, 0) }

// TestCacheIsBounded: what was used least recently is forgotten, and its lease's timer
// with it.
func TestCacheIsBounded(t *testing.T) {
	i, k := fakeIssuer()
	c := newCache(10 * minWeight)
	var first digest
	for n := range 1000 {
		d, caller := fakeCaller(n)
		if n == 0 {
			first = d
		}
		keep(c, d, caller, 1, i, k)
		if c.known(first, time.Now()) == nil {
			t.Fatal("a token that is used all the time is forgotten")
		}
	}
	waitKnown(t, c, 10)
	d, long := fakeCaller(1000)
	keep(c, d, long, 8*minWeight, i, k)
	waitKnown(t, c, 3)
	i.keys.keys = nil
	c.sweep()
	if known, held := c.len(); known != 0 || held != 0 || c.weight != 0 || !long.Lease.Ended() {
		t.Errorf("after the key is gone: %d known, %d held, %d bytes; the lease has ended: %v", known, held, c.weight, long.Lease.Ended())
	}
}

// TestForgottenWhileInUse: a caller with a running request stays the token's caller,
// and its lease can be ended, however many others there are.
func TestForgottenWhileInUse(t *testing.T) {
	i, k := fakeIssuer()
	c := newCache(minWeight)
	d, running := fakeCaller(0)
	keep(c, d, running, 1, i, k)
	for n := range 100 {
		other, caller := fakeCaller(n + 1)
		keep(c, other, caller, 1, i, k)
	}
	waitKnown(t, c, 2) // the last one, and the one that is in use
	if got := c.known(d, time.Now()); got != running {
		t.Errorf("got %+v, want the caller of the running request", got)
	}
	if _, held := c.len(); held != 1 {
		t.Errorf("%d callers are held, want 1", held)
	}
	e, another := fakeCaller(2)
	keep(c, e, another, 1, i, k) // lets go of the first one again
	i.keys.keys = nil
	c.sweep()
	ended(t, running, "its key is gone")
}

// TestCacheForgets: what ends is forgotten, however it ends.
func TestCacheForgets(t *testing.T) {
	i, k := fakeIssuer()
	c := newCache(maxCached)
	d, caller := fakeCaller(0)
	now := time.Now()
	caller.Expires = now.Add(time.Minute)
	keep(c, d, caller, 1, i, k)
	if c.known(d, now.Add(time.Minute)) != nil || c.known(d, now) != caller {
		t.Error("a token is good at its end, or not before it")
	}
	_, second := fakeCaller(0)
	if keep(c, d, second, 1, i, k) != caller {
		t.Error("the same token has two callers")
	}
	caller.Lease.End(nil)
	if c.known(d, now) != nil {
		t.Error("a caller whose lease has ended is good")
	}
	waitKnown(t, c, 0)
	if keep(c, d, second, 1, i, k) != second {
		t.Error("the token cannot be verified again")
	}
	if keep(c, d, caller, 1, i, &key{id: "gone"}) != nil {
		t.Error("a key that is gone is good")
	}
	second.Lease.End(nil)
	waitKnown(t, c, 0)
}

// len returns how many tokens are known, and how many of their callers are held.
func (c *cache) len() (known, held int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries), c.recent.Len()
}
