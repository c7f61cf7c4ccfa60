package natslink

import "sync"

// addresses keeps the subjects of instances that streams are opened to, so that
// one is put together and its names are checked once, not for each request.
// The zero value is ready. It is safe for concurrent use.
type addresses struct {
	mu sync.RWMutex
	m  map[instanceKey]string
}

type instanceKey struct{ cluster, instance string }

// get returns the address of an instance, "" unless it is kept.
func (a *addresses) get(cluster, instance string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.m[instanceKey{cluster, instance}]
}

// keep remembers the address of an instance until forget.
func (a *addresses) keep(cluster, instance, to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = make(map[instanceKey]string)
	}
	a.m[instanceKey{cluster, instance}] = to
}

// forget drops an instance.
func (a *addresses) forget(cluster, instance string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, instanceKey{cluster, instance})
}
