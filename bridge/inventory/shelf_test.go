package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestBucketThatIsLost: a record that the bucket no longer has is written again, without a new
// bridge: whether its key is gone, or the bucket with all of them.
func TestBucketThatIsLost(t *testing.T) {
	b := storetest.Start(t, 1)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	opened, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	if err := opened.Wait(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	bucket := kv.New(opened, store.Inventory())
	s := newShelf(bucket, log)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	change := func(cluster string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		ref := subjects.ClusterRef{Tenant: "acme", Cluster: cluster}
		k := s.at(ref)
		k.Epoch++
		s.queue(ref, k)
	}
	kept := func(what, cluster string, epoch uint64) {
		t.Helper()
		eventually.Nil(t, what, func() error {
			e, err := bucket.Get(t.Context(), "acme."+cluster)
			if err != nil {
				return err
			}
			r, err := parseRecord(e.Value)
			if err == nil && r.Epoch != epoch {
				err = fmt.Errorf("epoch %d, want %d", r.Epoch, epoch)
			}
			return err
		})
	}
	change("busy")
	change("quiet")
	kept("a record", "busy", 1)
	kept("another record", "quiet", 1)

	const name = "KV_fairlead-inventory"
	stream, err := b.Admin(0).Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	age := func(d time.Duration) {
		t.Helper()
		config := stream.CachedInfo().Config
		config.MaxAge, config.Duplicates = d, min(d, config.Duplicates)
		if _, err := b.Admin(0).UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	age(time.Second) // as an operator may
	eventually.True(t, "a record is too old", func() bool {
		_, err := bucket.Get(t.Context(), "acme.busy")
		return errors.Is(err, kv.ErrNotFound)
	})
	age(time.Hour)
	change("busy")
	kept("a record whose key was gone", "busy", 2)

	if err := b.Admin(0).DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	change("busy")
	kept("a record whose bucket was removed", "busy", 3)
	kept("one that has not changed since", "quiet", 1) // as the new bucket has none of it

	b.Kill(0)
	change("busy")
	stop()
	select {
	case <-ended:
	case <-time.After(eventually.Bound):
		t.Fatal("what cannot be written keeps a bridge from stopping")
	}
}
