package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short are times for tests. Their relations are those of production, where a function has 3 s
// to return: on a busy machine it takes some 100 ms.
var short = times{term: 3 * time.Second, holdFor: 2400 * time.Millisecond, renew: 600 * time.Millisecond, attempt: 600 * time.Millisecond, retry: 200 * time.Millisecond, look: 500 * time.Millisecond}

// room is what only one bridge may be in.
type room struct {
	t       *testing.T
	mu      sync.Mutex
	inside  string
	fence   uint64
	entered int
}

func (r *room) enter(bridge string, fence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside != "" {
		r.t.Errorf("%s comes in while %s is inside", bridge, r.inside)
	}
	if fence <= r.fence {
		r.t.Errorf("%s has fence %d after %d", bridge, fence, r.fence)
	}
	r.inside, r.fence = bridge, fence
	r.entered++
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside = ""
}

func (r *room) holder() (bridge string, entered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inside, r.entered
}

// bridge competes for lease "x" until stop is called.
type bridge struct {
	store *store.Store
	stop  context.CancelFunc
	ended chan struct{}
}

func start(t *testing.T, b *storetest.Brokers, r *room, id string, of times) *bridge {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("bridge", id)
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	k := New(s, id, log)
	k.times = of
	ctx, stop := context.WithCancel(t.Context())
	one := &bridge{store: s, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(one.ended)
		if err := k.Hold(ctx, "x", func(ctx context.Context, fence uint64) {
			r.enter(id, fence)
			<-ctx.Done()
			r.leave()
		}); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-one.ended
		s.Close()
	})
	return one
}

// held waits until somebody is in the room who has come in after the first n.
func held(t *testing.T, r *room, n int) string {
	t.Helper()
	var holder string
	eventually.Within(t, time.Minute, "be held", func() error {
		var entered int
		if holder, entered = r.holder(); holder == "" || entered <= n {
			return fmt.Errorf("held by %q, %d times", holder, entered)
		}
		return nil
	})
	return holder
}

// TestBrokerIsKilled: two bridges never hold a lease at the same time, while one of three
// brokers is killed, the one that leads the bucket; and one of them holds it afterwards.
func TestBrokerIsKilled(t *testing.T) {
	b := storetest.Start(t, 3)
	r := &room{t: t}
	start(t, b, r, "one", short)
	look := start(t, b, r, "two", short)
	held(t, r, 0)
	b.KillLeader(subjects.StoreBucketStream(subjects.StoreLeases))
	// The stream's next leader takes longer to be elected than a lease lasts here.
	bucket, first := kv.New(look.store, store.Leases()), uint64(0)
	eventually.Within(t, time.Minute, "be held, and renewed", func() error {
		e, err := bucket.Get(t.Context(), "x")
		if err != nil {
			return err
		}
		if first == 0 {
			first = e.Revision
		}
		if holder, _ := r.holder(); holder == "" || e.Revision == first {
			return fmt.Errorf("held by %q, revision %d after %d", holder, e.Revision, first)
		}
		return nil
	})
}

// TestHolderStops: a bridge that stops gives the lease back, and another one has it long
// before its time is over.
func TestHolderStops(t *testing.T) {
	b := storetest.Start(t, 1)
	r := &room{t: t}
	long := New(nil, "", slog.New(slog.DiscardHandler)).times
	bridges := map[string]*bridge{"one": start(t, b, r, "one", long), "two": start(t, b, r, "two", long)}
	first := held(t, r, 0)
	before := time.Now()
	bridges[first].stop()
	<-bridges[first].ended
	if second := held(t, r, 1); second == first || time.Since(before) > term {
		t.Errorf("held by %s after %s, after %v", second, first, time.Since(before))
	}
}

// TestHolderLosesItsConnection: a bridge that cannot renew stops before another one has
// the lease, and one that can has it.
func TestHolderLosesItsConnection(t *testing.T) {
	b := storetest.Start(t, 1)
	r := &room{t: t}
	bridges := map[string]*bridge{"one": start(t, b, r, "one", short), "two": start(t, b, r, "two", short)}
	first := held(t, r, 0)
	bridges[first].store.Close()
	if second := held(t, r, 1); second == first {
		t.Errorf("held by %s again", second)
	}
}

// TestFunctionReturns: a function that returns has given the lease back, and is called
// again.
func TestFunctionReturns(t *testing.T) {
	b := storetest.Start(t, 1)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := New(s, "one", log)
	k.times = short
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var fences []uint64
	if err := k.Hold(ctx, "x", func(_ context.Context, fence uint64) {
		if fences = append(fences, fence); len(fences) == 3 {
			stop()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(fences) != 3 || fences[1] <= fences[0] || fences[2] <= fences[1] {
		t.Errorf("fences %v", fences)
	}
	if err := k.Hold(t.Context(), "a.*", nil); !errors.Is(err, kv.ErrKey) {
		t.Errorf("a name that is none: %v", err)
	}
}

// TestValid: a lease is valid for its function while it is renewed, and no longer from
// before another bridge can have it, whether or not the function's context has ended yet.
func TestValid(t *testing.T) {
	b := storetest.Start(t, 1)
	open := func(id string) (*store.Store, *Keeper) {
		log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("bridge", id)
		s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		k := New(s, id, log)
		k.times = short
		return s, k
	}
	s, one := open("one")
	other, two := open("two")
	defer other.Close()
	if Valid(t.Context()) {
		t.Error("a context without a lease is valid")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first, ended := make(chan context.Context, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = one.Hold(ctx, "x", func(held context.Context, _ uint64) {
			paused := context.WithoutCancel(held) // as if nobody had got to end it
			for begun := time.Now(); time.Since(begun) < 2*short.holdFor; {
				if !Valid(paused) || !Valid(held) {
					t.Error("a lease that is renewed is not valid")
					break
				}
				time.Sleep(short.renew / 10)
			}
			first <- paused
			s.Close()
			<-ctx.Done()
		})
	}()
	eventually.Within(t, time.Minute, "the first bridge has the lease", func() error { _, err := one.bucket.Get(t.Context(), "x"); return err })
	if err := two.Hold(ctx, "x", func(context.Context, uint64) {
		select {
		case paused := <-first:
			if Valid(paused) {
				t.Error("it is valid while another bridge has it")
			}
		default:
			t.Error("another bridge has it while it is renewed")
		}
		stop()
	}); err != nil {
		t.Fatal(err)
	}
	<-ended
}
