package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, b *storetest.Brokers) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Wait(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestValues: what is written is read, by compare-and-set and without.
func TestValues(t *testing.T) {
	b := New(open(t, storetest.Start(t, 1)), store.Inventory())
	ctx := t.Context()
	if _, err := b.Get(ctx, "acme.prod"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key without a value: %v", err)
	}
	first, err := b.Create(ctx, "acme.prod", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(ctx, "acme.prod", []byte("2")); !errors.Is(err, ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	second, err := b.Update(ctx, "acme.prod", []byte("2"), first)
	if err != nil || second <= first {
		t.Errorf("revision %d after %d, %v", second, first, err)
	}
	if _, err := b.Update(ctx, "acme.prod", []byte("3"), first); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("an old revision: %v", err)
	}
	if e, err := b.Get(ctx, "acme.prod"); err != nil || string(e.Value) != "2" || e.Revision != second || e.Key != "acme.prod" || time.Since(e.Time).Abs() > time.Minute {
		t.Errorf("%+v, %v", e, err)
	}
	if third, err := b.Put(ctx, "acme.prod", nil); err != nil || third <= second {
		t.Errorf("revision %d after %d, %v", third, second, err)
	}
	for _, key := range []string{"", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b.c", "a.ä", "a.b\r\n"} {
		if _, err := b.Get(ctx, key); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: %v", key, err)
		}
		if _, err := b.Put(ctx, key, nil); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	for _, size := range []int{256 << 10, 2 << 20} { // more than the stream takes, and than the broker
		if _, err := b.Put(ctx, "acme.large", make([]byte, size)); err == nil || errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("a value of %d bytes: %v", size, err)
		}
	}
}

// TestList: all values below a prefix, whatever their number.
func TestList(t *testing.T) {
	brokers := storetest.Start(t, 1)
	b := New(open(t, brokers), store.Inventory())
	if all, err := b.List(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("an empty bucket: %v, %v", all, err)
	}
	const n = 2000 // more than brokers answer at once with other requests
	writer := brokers.As(0, "b-writer")
	for i := range n {
		if _, err := writer.PublishAsync(fmt.Sprintf("$KV.%s.t%d.c%d", subjects.StoreInventory, i%2, i), fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	<-writer.PublishAsyncComplete()
	for prefix, want := range map[string]int{"": n, "t1.": n / 2, "t2.": 0} {
		before := time.Now()
		all, err := b.List(t.Context(), prefix)
		if err != nil || len(all) != want {
			t.Errorf("%q: %d values, %v; want %d", prefix, len(all), err, want)
		}
		t.Logf("%d values took %v", len(all), time.Since(before))
		known := map[string]bool{}
		for _, e := range all {
			_, i, _ := strings.Cut(e.Key, ".c")
			if known[e.Key] || string(e.Value) != i || !strings.HasPrefix(e.Key, prefix) {
				t.Errorf("%+v", e)
			}
			known[e.Key] = true
		}
	}
	for _, prefix := range []string{"t1", ".", "t1..", ">", "*."} {
		if _, err := b.List(t.Context(), prefix); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

// TestFull: a bucket without room says so, and that nothing was changed.
func TestFull(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			small := store.Inventory()
			small.MaxBytes = 64 << 10
			b := New(open(t, storetest.Start(t, n)), small)
			var err error
			for i := 0; err == nil && i < 100; i++ {
				_, err = b.Put(t.Context(), fmt.Sprintf("acme.c%d", i), make([]byte, 8<<10))
			}
			if !errors.Is(err, ErrFull) || errors.Is(err, ErrUnknown) || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNoRight: a role of before says at once which right is missing, and works as soon as
// it is widened.
func TestNoRight(t *testing.T) {
	brokers := storetest.StartOlder(t, 1)
	s := open(t, brokers)
	b := New(s, store.Inventory())
	if _, err := s.Stream(t.Context(), store.Approvals()); err != nil || s.Missing() != nil {
		t.Errorf("what the role allows: %v, %v", err, s.Missing())
	}
	before := time.Now()
	_, err := b.Put(t.Context(), "acme.prod", nil)
	if !errors.Is(err, store.ErrNoRight) || !errors.Is(err, store.ErrUnavailable) || time.Since(before) > store.Timeout/2 {
		t.Errorf("got %v after %v", err, time.Since(before))
	}
	for _, want := range []string{"$JS.API.STREAM.INFO.KV_fairlead-inventory", "'fairlead-broker store add'", "nothing was changed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if missing := s.Missing(); !errors.Is(missing, store.ErrNoRight) || !strings.Contains(missing.Error(), "KV_fairlead-inventory") {
		t.Errorf("missing: %v", missing)
	}
	brokers.Widen()
	eventually.Within(t, 30*time.Second, "write", func() error {
		_, err := b.Put(t.Context(), "acme.prod", nil)
		return errors.Join(err, s.Missing())
	})
}

// TestNoQuorum: with two of three brokers killed, every call fails within its bound, and
// says why.
func TestNoQuorum(t *testing.T) {
	brokers := storetest.Start(t, 3)
	b := New(open(t, brokers), store.Inventory())
	if _, err := b.Put(t.Context(), "acme.prod", []byte("1")); err != nil {
		t.Fatal(err)
	}
	stream := subjects.StoreBucketStream(subjects.StoreInventory)
	brokers.KillLeader(stream)
	eventually.Within(t, 30*time.Second, "go on with two brokers", func() error {
		_, err := b.Put(t.Context(), "acme.prod", []byte("2"))
		return err
	})
	brokers.KillLeader(stream)
	calls := map[string]func(context.Context) error{
		"get":  func(ctx context.Context) error { _, err := b.Get(ctx, "acme.prod"); return err },
		"list": func(ctx context.Context) error { _, err := b.List(ctx, ""); return err },
		"put":  func(ctx context.Context) error { _, err := b.Put(ctx, "acme.prod", []byte("3")); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eventually.Within(t, time.Minute, "tell the lost quorum", func() error {
				before := time.Now()
				err := call(t.Context())
				if took := time.Since(before); took > 2*store.Timeout+time.Second {
					t.Errorf("it took %v: %v", took, err)
				}
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNoRight) || !strings.Contains(err.Error(), "no quorum") {
					return fmt.Errorf("says %v", err)
				}
				return nil
			})
		})
	}
}

// told is what a watcher was told.
type told struct {
	mu     sync.Mutex
	values map[string]string
	resets int
	err    error
	known  int
}

func (w *told) watcher(t *testing.T) Watcher {
	revisions := map[string]uint64{}
	return Watcher{
		Put: func(e Entry) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if e.Revision < revisions[e.Key] {
				t.Errorf("%s: revision %d after %d", e.Key, e.Revision, revisions[e.Key])
			}
			revisions[e.Key], w.values[e.Key] = e.Revision, string(e.Value)
		},
		Reset: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.resets++
			clear(w.values)
			clear(revisions)
		},
		Known: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.err = err
			w.known++
		},
	}
}

func (w *told) is(want map[string]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.known == 0 || fmt.Sprint(w.values) != fmt.Sprint(want) {
		return fmt.Errorf("%d values, want %d, %w", len(w.values), len(want), w.err)
	}
	return nil
}

func watch(t *testing.T, b *Bucket, prefix string) *told {
	t.Helper()
	w := &told{values: map[string]string{}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(ctx, prefix, w.watcher(t)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestWatch: a watch at another bridge finds what there is, what is new, and what was
// written while no broker was there.
func TestWatch(t *testing.T) {
	brokers := storetest.Start(t, 1)
	one, two := New(open(t, brokers), store.Settings()), New(open(t, brokers), store.Settings())
	put := func(key, value string) {
		t.Helper()
		if _, err := one.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	put("acme.a", "1")
	put("other.a", "1")
	acme, all := watch(t, two, "acme."), watch(t, two, "")
	eventually.Nil(t, "know the first", func() error {
		return errors.Join(acme.is(map[string]string{"acme.a": "1"}), all.is(map[string]string{"acme.a": "1", "other.a": "1"}))
	})
	before := time.Now()
	put("acme.b", "1")
	eventually.Nil(t, "know the second", func() error { return acme.is(map[string]string{"acme.a": "1", "acme.b": "1"}) })
	t.Logf("a change is known after %v", time.Since(before))
	brokers.Kill(0)
	eventually.Nil(t, "know that nothing is known", func() error {
		if acme.is(map[string]string{"acme.a": "1", "acme.b": "1"}) == nil {
			return errors.New("it does not")
		}
		return nil
	})
	brokers.Run(0)
	eventually.Within(t, 30*time.Second, "write", func() error {
		_, err := one.Put(t.Context(), "acme.a", []byte("2"))
		return err
	})
	eventually.Within(t, 30*time.Second, "know the third", func() error {
		return errors.Join(acme.is(map[string]string{"acme.a": "2", "acme.b": "1"}), all.is(map[string]string{"acme.a": "2", "acme.b": "1", "other.a": "1"}))
	})
}

// TestWatchOfAnotherStream: a watch notices that the bucket was removed and made again.
func TestWatchOfAnotherStream(t *testing.T) {
	brokers := storetest.Start(t, 1)
	b := New(open(t, brokers), store.Settings())
	if _, err := b.Put(t.Context(), "acme.a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	w := watch(t, b, "")
	eventually.Nil(t, "know the first", func() error { return w.is(map[string]string{"acme.a": "1"}) })
	if err := brokers.Admin(0).DeleteStream(t.Context(), subjects.StoreBucketStream(subjects.StoreSettings)); err != nil {
		t.Fatal(err)
	}
	eventually.Within(t, 30*time.Second, "write", func() error {
		_, err := b.Create(t.Context(), "acme.b", []byte("2"))
		return err
	})
	eventually.Within(t, 30*time.Second, "know the second alone", func() error { return w.is(map[string]string{"acme.b": "2"}) })
	if w.mu.Lock(); w.resets != 1 {
		t.Errorf("%d resets", w.resets)
	}
	w.mu.Unlock()
}

// TestWritersAtTheSameTime: of many updates of one revision one counts, also where the
// stream has copies and refuses the others by another code.
func TestWritersAtTheSameTime(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " brokers"), func(t *testing.T) { writeAtTheSameTime(t, storetest.Start(t, n)) })
	}
}

func writeAtTheSameTime(t *testing.T, brokers *storetest.Brokers) {
	buckets := []*Bucket{New(open(t, brokers), store.Operations()), New(open(t, brokers), store.Operations())}
	revision, err := buckets[0].Create(t.Context(), "acme.prod.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 20)
	for i := range cap(results) {
		go func() {
			_, err := buckets[i%2].Update(t.Context(), "acme.prod.1", fmt.Append(nil, i), revision)
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of them count", won)
	}
}
