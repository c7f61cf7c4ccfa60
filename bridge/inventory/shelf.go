package inventory

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// writers is how many records are written at a time.
	writers = 8
	// writeTimeout bounds one write, and writeRetry is the pause after one that failed.
	writeTimeout = 5 * time.Second
	writeRetry   = 2 * time.Second
	// maxRecords bounds the records in memory, of all tenants: more than brokers keep in the
	// bucket, of about 1 KiB each.
	maxRecords = 128 << 10
)

// shelf has the records of clusters, and keeps them in a bucket, if there is one. It is safe
// for concurrent use.
type shelf struct {
	bucket *kv.Bucket // nil: in memory only
	log    *slog.Logger

	mu      sync.Mutex
	known   bool // all that the bucket had has been read
	records map[subjects.ClusterRef]*shelved
	dirty   []subjects.ClusterRef // to be written, each once
	more    chan struct{}         // has a token once dirty may have something
	fresh   map[string][]string   // clusters whose record came from the bucket, by tenant
}

type shelved struct {
	record
	revision uint64 // of the bucket; 0: it is not there
	queued   bool   // in dirty, or being written
	judged   pace
}

func newShelf(bucket *kv.Bucket, log *slog.Logger) *shelf {
	return &shelf{
		bucket: bucket, log: log, known: bucket == nil, records: make(map[subjects.ClusterRef]*shelved),
		more: make(chan struct{}, 1), fresh: make(map[string][]string),
	}
}

// run follows the bucket and writes to it until ctx ends.
func (s *shelf) run(ctx context.Context) {
	if s.bucket == nil {
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range writers {
		all.Go(func() { s.write(ctx) })
	}
	for ctx.Err() == nil {
		err := s.bucket.Watch(ctx, "", kv.Watcher{
			Put:   s.put,
			Reset: s.reset,
			Known: func(err error) {
				if err == nil {
					s.mu.Lock()
					s.known = true
					s.mu.Unlock()
				}
			},
		})
		if err != nil {
			s.log.Debug("the last known states of clusters are not followed", "error", err)
		}
		sleep.For(ctx, writeRetry)
	}
}

// reset has all records written to a bucket that is another one than before: whoever restored
// or removed it, what was known of clusters is not lost with it.
func (s *shelf) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, k := range s.records {
		if k.revision = 0; !k.same(&record{}) {
			s.queue(ref, k)
		}
	}
}

// put takes a record of the bucket, which may be the one that was just written. One that
// tells of fewer changes than ours is older, and so is one that tells of as many where ours
// is to be written.
func (s *shelf) put(e kv.Entry) {
	tenant, cluster, _ := strings.Cut(e.Key, ".")
	ref := subjects.ClusterRef{Tenant: tenant, Cluster: cluster}
	if subjects.CheckName(tenant) != nil || subjects.CheckName(cluster) != nil {
		return
	}
	r, err := parseRecord(e.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.at(ref)
	if k == nil || e.Revision < k.revision {
		return
	}
	if k.revision = e.Revision; err != nil {
		return // it is replaced with the next change
	}
	if r.Epoch > k.Epoch || r.Epoch == k.Epoch && !k.queued {
		if r.LastSeen.Before(k.LastSeen) {
			r.LastSeen = k.LastSeen
		}
		k.record = r
	} else if r.LastSeen.After(k.LastSeen) {
		k.LastSeen = r.LastSeen
	}
	if len(s.fresh[tenant]) < maxRecords {
		s.fresh[tenant] = append(s.fresh[tenant], cluster)
	}
}

// at returns a cluster's place, nil if there is no room for one. The caller holds mu.
func (s *shelf) at(ref subjects.ClusterRef) *shelved {
	k := s.records[ref]
	if k == nil && len(s.records) < maxRecords {
		k = &shelved{}
		s.records[ref] = k
	}
	return k
}

// get returns the record of a cluster, the zero record if there is none.
func (s *shelf) get(ref subjects.ClusterRef) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.records[ref]; k != nil {
		return k.record
	}
	return record{}
}

// takeFresh returns the clusters of a tenant whose records came from the bucket since it was
// last called, and when each was seen.
func (s *shelf) takeFresh(tenant string) map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.fresh[tenant]
	if len(names) == 0 {
		return nil
	}
	delete(s.fresh, tenant)
	seen := make(map[string]time.Time, len(names))
	for _, name := range names {
		seen[name] = s.records[subjects.ClusterRef{Tenant: tenant, Cluster: name}].LastSeen
	}
	return seen
}

// unseen returns the clusters of a tenant that are connected by their records, and that no
// bridge has seen for long.
func (s *shelf) unseen(tenant string, long time.Duration) (names []string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, k := range s.records {
		if ref.Tenant == tenant && k.Connected && now.Sub(k.LastSeen) >= long {
			names = append(names, ref.Cluster)
		}
	}
	return names
}

// queue has a record written. The caller holds mu.
func (s *shelf) queue(ref subjects.ClusterRef, k *shelved) {
	if s.bucket == nil || k.queued {
		return
	}
	k.queued = true
	s.dirty = append(s.dirty, ref)
	s.wake()
}

func (s *shelf) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// next takes a record to write.
func (s *shelf) next(ctx context.Context) (ref subjects.ClusterRef, r record, revision uint64, ok bool) {
	for {
		s.mu.Lock()
		if n := len(s.dirty); n > 0 {
			ref = s.dirty[0]
			if s.dirty = s.dirty[1:]; n > 1 {
				s.wake() // another writer
			}
			k := s.records[ref]
			r, revision = k.record, k.revision
			s.mu.Unlock()
			return ref, r, revision, true
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-ctx.Done():
			return ref, r, 0, false
		}
	}
}

// write writes records until ctx ends. The store's own watch brings what others wrote
// meanwhile; a record that is behind it is written again.
func (s *shelf) write(ctx context.Context) {
	for ctx.Err() == nil { // else what cannot be written would be tried for ever
		ref, r, revision, ok := s.next(ctx)
		if !ok {
			return
		}
		key := ref.Tenant + "." + ref.Cluster
		asking, cancel := context.WithTimeout(ctx, writeTimeout)
		next, err := s.bucket.Update(asking, key, r.value(), revision)
		var other kv.Entry
		conflict := errors.Is(err, kv.ErrConflict)
		if conflict {
			other, err = s.bucket.Get(asking, key)
		}
		gone := conflict && errors.Is(err, kv.ErrNotFound)
		cancel()
		if err != nil {
			s.log.Debug("the last known state of a cluster was not kept", "cluster", ref.String(), "error", err)
			sleep.For(ctx, writeRetry)
		}
		if other.Key != "" || gone {
			s.mu.Lock() // what the bucket has counts, also where that is an older one than it had
			s.records[ref].revision = other.Revision
			s.mu.Unlock()
		}
		if other.Key != "" {
			s.put(other)
			r, _ = parseRecord(other.Value)
		}
		s.mu.Lock()
		k := s.records[ref]
		k.queued = false
		k.revision = max(k.revision, next)
		full := errors.Is(err, kv.ErrFull) // the record stays in memory, and is tried with the next change
		if !full && (err != nil || !k.same(&r)) {
			s.queue(ref, k)
		}
		s.mu.Unlock()
	}
}
