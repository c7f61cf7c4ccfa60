package operations

import (
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Limits of the queue. Each bridge counts what it knows of the bucket, and exactly what it
// is creating itself: together bridges may let in a few more that come at the same moment.
const (
	// maxPerCluster is how many operations of a cluster may be open. They are executed
	// one after the other: a hundred take seconds, or, if each times out, two hours.
	maxPerCluster = 100
	// maxPerTenant is how many of a tenant may be: ten for each of a thousand clusters.
	maxPerTenant = 10_000
	// maxTenantBytes is what a tenant may have of the bucket, with what has ended and is
	// kept for 30 days: an eighth of the stream, so that no tenant takes the room of all.
	// It is some 20,000 operations that have ended.
	maxTenantBytes = subjects.StoreOperationsBytes / 8
)

// overhead is what a stream needs for a message besides key and value, in bytes, at most.
const overhead = 128

func sizeOf(key, value int) int64 { return int64(key + value + overhead) }

// reserve takes the room of an operation that is about to be created, or says which limit
// is reached. release must be called when it was created, or was not.
func (x *index) reserve(ref subjects.ClusterRef, bytes int64) (release func(), f *answer.Failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.share(ref.Tenant)
	defer x.tidy(ref.Tenant)
	switch {
	case len(x.open[ref])+x.pending[ref] >= maxPerCluster:
		return nil, answer.Failf(answer.QueueFull, "%d operations wait for cluster %q, which is the most; nothing was queued", maxPerCluster, ref)
	case s.open >= maxPerTenant:
		return nil, answer.Failf(answer.QueueFull, "%d operations wait for clusters of tenant %q, which is the most; nothing was queued", maxPerTenant, ref.Tenant)
	case s.bytes+bytes > maxTenantBytes:
		return nil, answer.Failf(answer.QueueFull, "the operations of tenant %q take %d MiB, which is the most: those that have ended are kept for 30 days; nothing was queued", ref.Tenant, maxTenantBytes>>20)
	}
	x.pending[ref]++
	s.open++
	s.bytes += bytes
	cleared := s
	return sync.OnceFunc(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.tenants[ref.Tenant] != cleared { // everything was forgotten meanwhile
			return
		}
		cleared.open--
		cleared.bytes -= bytes
		if x.pending[ref]--; x.pending[ref] == 0 {
			delete(x.pending, ref)
		}
		x.tidy(ref.Tenant)
	}), nil
}
