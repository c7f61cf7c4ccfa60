package oidc

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// fakeKeys is a keyring that has a key and reads none.
func fakeKeys() (*keyring, *key) {
	k := &key{id: "one"}
	return &keyring{keys: []*key{k}, changed: make(chan struct{})}, k
}

func fakeCaller(n int) (digest, *access.Caller, time.Time) {
	until := time.Now().Add(time.Hour)
	c := &access.Caller{Name: fmt.Sprint("caller ", n), Lease: access.NewLeaseUntil(until)}
	return sha256.Sum256([]byte(c.Name)), c, until
}

// waitKnown waits until so many tokens are known, of which the garbage collector
// decides.
func waitKnown(t testing.TB, c *cache, want int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		known, held := c.len()
		if known == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d tokens are known, %d of them held; want %d", known, held, want)
		}
	}
}

func waitForgotten(t testing.TB, c *cache) { t.Helper(); waitKnown(t, c, 0) }

// TestCacheIsBounded: what was used least recently is forgotten, and its lease's timer
// with it.
func TestCacheIsBounded(t *testing.T) {
	keys, k := fakeKeys()
	c := newCache(10 * minWeight)
	var first digest
	for n := range 1000 {
		d, caller, until := fakeCaller(n)
		if n == 0 {
			first = d
		}
		c.add(d, caller, 1, until, keys, k)
		if c.get(first, time.Now()) == nil {
			t.Fatal("a token that is used all the time is forgotten")
		}
	}
	waitKnown(t, c, 10)
	d, long, until := fakeCaller(1000)
	c.add(d, long, 8*minWeight, until, keys, k)
	waitKnown(t, c, 3)
	keys.keys = nil
	c.sweep()
	if known, held := c.len(); known != 0 || held != 0 || c.weight != 0 || !long.Lease.Ended() {
		t.Errorf("after the key is gone: %d known, %d held, %d bytes; the lease has ended: %v", known, held, c.weight, long.Lease.Ended())
	}
}

// TestForgottenWhileInUse: a caller with a running request stays the token's caller,
// and its lease can be ended, however many others there are.
func TestForgottenWhileInUse(t *testing.T) {
	keys, k := fakeKeys()
	c := newCache(minWeight)
	d, running, until := fakeCaller(0)
	c.add(d, running, 1, until, keys, k)
	for n := range 100 {
		other, caller, until := fakeCaller(n + 1)
		c.add(other, caller, 1, until, keys, k)
	}
	waitKnown(t, c, 2) // the last one, and the one that is in use
	if got := c.get(d, time.Now()); got != running {
		t.Errorf("got %+v, want the caller of the running request", got)
	}
	if _, held := c.len(); held != 1 {
		t.Errorf("%d callers are held, want 1", held)
	}
	e, another, until := fakeCaller(2)
	c.add(e, another, 1, until, keys, k) // lets go of the first one again
	keys.keys = nil
	c.sweep()
	ended(t, running, "its key is gone")
}

// TestCacheForgets: what ends is forgotten, however it ends.
func TestCacheForgets(t *testing.T) {
	keys, k := fakeKeys()
	c := newCache(maxCached)
	d, caller, _ := fakeCaller(0)
	now := time.Now()
	c.add(d, caller, 1, now.Add(time.Minute), keys, k)
	if c.get(d, now.Add(time.Minute)) != nil || c.get(d, now) != caller {
		t.Error("a token is good at its end, or not before it")
	}
	_, second, until := fakeCaller(0)
	if c.add(d, second, 1, until, keys, k) != caller {
		t.Error("the same token has two callers")
	}
	caller.Lease.End(nil)
	if c.get(d, now) != nil {
		t.Error("a caller whose lease has ended is good")
	}
	waitKnown(t, c, 0)
	if c.add(d, second, 1, until, keys, k) != second {
		t.Error("the token cannot be verified again")
	}
	if c.add(d, caller, 1, until, keys, &key{id: "gone"}) != nil {
		t.Error("a key that is gone is good")
	}
	second.Lease.End(nil)
	waitKnown(t, c, 0)
}
