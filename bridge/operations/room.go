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

// pending is an operation that is being created, by n requests with the same key.
type pending struct {
	n     int
	share *share // of its tenant
	bytes int64
}

// reserve takes the room of an operation that is about to be created, or says which limit
// is reached. One that is there, or is being created by another request, has its room.
// release must be called when it was created, or was not.
func (x *index) reserve(ref subjects.ClusterRef, id string, bytes int64) (release func(), f *answer.Failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all[ref][id] != nil {
		return func() {}, nil
	}
	p := x.pending[ref][id]
	if p == nil {
		if f := x.full(ref, bytes); f != nil {
			return nil, f
		}
		p = &pending{share: x.share(ref.Tenant), bytes: bytes}
		p.share.open++
		p.share.bytes += bytes
		if x.pending[ref] == nil {
			x.pending[ref] = map[string]*pending{}
		}
		x.pending[ref][id] = p
	}
	p.n++
	return sync.OnceFunc(func() { x.release(ref, id, p) }), nil
}

// full says which limit one more operation would exceed. The caller holds mu.
func (x *index) full(ref subjects.ClusterRef, bytes int64) *answer.Failure {
	s := x.share(ref.Tenant)
	defer x.tidy(ref.Tenant)
	n := len(x.open[ref])
	for id := range x.pending[ref] {
		if x.all[ref][id] == nil {
			n++
		}
	}
	switch {
	case n >= maxPerCluster:
		return answer.Failf(answer.QueueFull, "%d operations wait for cluster %q, which is the most; nothing was queued", maxPerCluster, ref)
	case s.open >= maxPerTenant:
		return answer.Failf(answer.QueueFull, "%d operations wait for clusters of tenant %q, which is the most; nothing was queued", maxPerTenant, ref.Tenant)
	case s.bytes+bytes > maxTenantBytes:
		return answer.Failf(answer.QueueFull, "the operations of tenant %q take %d MiB, which is the most: those that have ended are kept for 30 days; nothing was queued", ref.Tenant, maxTenantBytes>>20)
	}
	return nil
}

// release ends one of the requests that create an operation.
func (x *index) release(ref subjects.ClusterRef, id string, p *pending) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p.n--; p.n > 0 || x.pending[ref][id] != p { // others create it, or everything was forgotten meanwhile
		return
	}
	p.share.open--
	p.share.bytes -= p.bytes
	if delete(x.pending[ref], id); len(x.pending[ref]) == 0 {
		delete(x.pending, ref)
	}
	x.tidy(ref.Tenant)
}
