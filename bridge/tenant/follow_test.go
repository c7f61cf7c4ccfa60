package tenant

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// listed is a list that a test changes.
type listed struct{ list atomic.Pointer[List] }

func (l *listed) set(list List) { l.list.Store(&list) }

// apply changes the list and waits until it is in force.
func (l *listed) apply(t *testing.T, p *Pool, list List) {
	t.Helper()
	l.set(list)
	eventually.True(t, "the list is in force", func() bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return maps.EqualFunc(p.list, list, Entry.equal)
	})
}

// newListedPool returns a pool that follows the list.
func newListedPool(t *testing.T, s *natstest.Server, list List) (*Pool, *listed) {
	t.Helper()
	l := &listed{}
	l.set(list)
	return newPool(t, s, func(c *Config) { c.Tenants = func() List { return *l.list.Load() } }), l
}

// run opens a stream that the echoing agent answers when its input ends.
func run(t *testing.T, c *Conn, cluster string) *stream.Stream {
	t.Helper()
	in, err := c.Directory().Pick(t.Context(), cluster, new(directory.Attempt))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Release)
	st, err := c.Open(t.Context(), cluster, in.Name(), []byte("one "), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// wantRunning demands that the stream still works.
func wantRunning(t *testing.T, st *stream.Stream) {
	t.Helper()
	if err := st.WriteFinal([]byte("two")); err != nil {
		t.Fatalf("the stream of a cluster that stays: %v", err)
	}
	if b, err := io.ReadAll(st); err != nil || string(b) != "one two" {
		t.Errorf("the stream of a cluster that stays: %q, %v", b, err)
	}
}

// wantEnd demands that the stream ends within a second and returns its cause.
func wantEnd(t *testing.T, st *stream.Stream) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := st.Next()
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(2 * time.Second):
		t.Fatal("the stream has not ended within 2 s")
		return nil
	}
}

// TestListOfClustersChanges: clusters that are added can be used, streams of
// those that stay go on, in whatever order they are listed, and those of a
// cluster that is removed end.
func TestListOfClustersChanges(t *testing.T) {
	s := natstest.Start(t, "lab")
	for _, cluster := range []string{"prod", "staging", "dev"} {
		startAgent(t, s.Agent(t, "lab", cluster), cluster, "a1")
	}
	entry := func(clusters ...string) List { return List{"lab": {Account: s.Accounts["lab"], Clusters: clusters}} }
	p, l := newListedPool(t, s, entry("prod", "staging"))
	c := acquire(t, p, "lab")
	defer c.Release()
	prod, staging := run(t, c, "prod"), run(t, c, "staging")
	state := func(cluster string) directory.State { return c.Directory().Cluster(cluster).State }
	if got := state("dev"); got != directory.Unknown {
		t.Errorf("dev is %s before it is listed", got)
	}

	l.set(entry("dev", "staging", "prod"))
	eventually.True(t, "dev is known", func() bool { return state("dev") != directory.Unknown })
	echo(t, c, "dev", "hello")
	l.set(entry("dev", "prod"))
	err := wantEnd(t, staging)
	if re, ok := errors.AsType[*subjects.ResetError](err); !ok || re.Code != subjects.CodeShutdown || re.Detail != clusterRemoved {
		t.Errorf("the stream of a removed cluster ended with %v", err)
	}
	if got := state("staging"); got != directory.Unknown {
		t.Errorf("staging is %s after it was removed", got)
	}
	late, err := c.Open(t.Context(), "staging", "a1", []byte("late"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := wantEnd(t, late); subjects.CodeOf(err) != subjects.CodeShutdown {
		t.Errorf("a stream that was opened to a removed cluster: %v", err)
	}
	l.set(List{"lab": {Account: s.Accounts["lab"]}}) // no list any more
	eventually.True(t, "every name may connect", func() bool { return state("any") != directory.Unknown })
	echo(t, c, "staging", "hello")
	wantRunning(t, prod)
	if again := acquire(t, p, "lab"); again != c {
		t.Error("another connection after changes of the list of clusters")
	} else {
		again.Release()
	}
}

// TestListChangesWhileIdle: a directory that outlives its connection follows the
// list too.
func TestListChangesWhileIdle(t *testing.T) {
	s := natstest.Start(t, "lab")
	startAgent(t, s.Agent(t, "lab", "staging"), "staging", "a1")
	p, l := newListedPool(t, s, List{"lab": {Account: s.Accounts["lab"], Clusters: []string{"prod"}}})
	acquire(t, p, "lab").Release()
	j := newJanitor(p)
	j.sweep(time.Now())
	j.sweep(time.Now().Add(time.Hour))
	l.apply(t, p, List{"lab": {Account: s.Accounts["lab"], Clusters: []string{"prod", "staging"}}})
	c := acquire(t, p, "lab")
	defer c.Release()
	echo(t, c, "staging", "hello")
}

// TestRemovedTenant: its requests end within a second, whether they run or wait,
// its connection is closed, and nothing is kept of it.
func TestRemovedTenant(t *testing.T) {
	s := natstest.Start(t, "acme", "lab")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	startAgent(t, s.Agent(t, "lab", "prod"), "prod", "a1")
	both := List{"acme": {Account: s.Accounts["acme"]}, "lab": {Account: s.Accounts["lab"]}}
	p, l := newListedPool(t, s, both)
	c, lab := acquire(t, p, "acme"), acquire(t, p, "lab")
	defer c.Release()
	defer lab.Release()
	running, other := run(t, c, "prod"), run(t, lab, "prod")
	waited := make(chan error, 1)
	go func() { waited <- c.Directory().Listen(t.Context(), time.Hour) }()

	l.set(List{"lab": both["lab"]})
	if err := wantEnd(t, running); subjects.CodeOf(err) != subjects.CodeShutdown {
		t.Errorf("the stream of a removed tenant ended with %v", err)
	}
	if err := <-waited; !errors.Is(err, ErrUnknown) {
		t.Errorf("a request that waited got %v, want ErrUnknown", err)
	}
	if _, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt)); !errors.Is(err, ErrUnknown) {
		t.Errorf("pick: %v, want ErrUnknown", err)
	}
	if _, err := p.Acquire(t.Context(), "acme"); !errors.Is(err, ErrUnknown) {
		t.Errorf("acquire: %v, want ErrUnknown", err)
	}
	eventually.True(t, "the connection is closed", func() bool { return c.nc.IsClosed() })
	if _, err := c.Open(t.Context(), "prod", "a1", []byte("late"), true); !errors.Is(err, ErrUnknown) {
		t.Errorf("open: %v, want ErrUnknown", err)
	}
	if n := len(p.accounts); n != 1 {
		t.Errorf("%d accounts kept, want lab's", n)
	}
	wantRunning(t, other)
}

// TestChangedAccount: the clusters of the old account are not those of the new
// one, whether the tenant is connected or not.
func TestChangedAccount(t *testing.T) {
	for _, idle := range []bool{false, true} {
		s := natstest.Start(t, "old", "new")
		startAgent(t, s.Agent(t, "old", "prod"), "prod", "a1")
		startAgent(t, s.Agent(t, "new", "staging"), "staging", "a1")
		p, l := newListedPool(t, s, List{"acme": {Account: s.Accounts["old"]}})
		c := acquire(t, p, "acme")
		running := run(t, c, "prod")
		if idle {
			_ = running.Close()
			c.Release()
			j := newJanitor(p)
			j.sweep(time.Now())
			j.sweep(time.Now().Add(time.Hour))
		}
		l.apply(t, p, List{"acme": {Account: s.Accounts["new"]}})
		if !idle {
			if err := wantEnd(t, running); subjects.CodeOf(err) != subjects.CodeShutdown {
				t.Errorf("the stream of the old account ended with %v", err)
			}
			if _, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt)); !errors.Is(err, ErrReplaced) {
				t.Errorf("pick: %v, want ErrReplaced", err)
			}
			c.Release()
		}
		c = acquire(t, p, "acme")
		echo(t, c, "staging", "hello")
		if list := c.Directory().Clusters(); len(list) != 1 || list[0].Name != "staging" {
			t.Errorf("clusters %+v, want only staging", list)
		}
		c.Release()
	}
}

// TestEveryRequestIsAnswered: however often the connection is closed for
// idleness and opened again, and whatever else changes in the list meanwhile, a
// request to a cluster that is connected and listed is answered.
func TestEveryRequestIsAnswered(t *testing.T) {
	s := natstest.Start(t, "acme", "lab")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	acme := func(clusters ...string) Entry { return Entry{Account: s.Accounts["acme"], Clusters: clusters} }
	lists := []List{
		{"acme": acme("prod")},
		{"acme": acme("dev", "prod"), "lab": {Account: s.Accounts["lab"]}},
		{"acme": acme()},
		{"acme": acme("prod", "dev"), "lab": {Account: s.Accounts["acme"]}},
	}
	l := &listed{}
	l.set(lists[0])
	p := newPool(t, s, func(c *Config) {
		c.Tenants = func() List { return *l.list.Load() }
		c.Idle, c.UserTTL, c.Directory.ReconnectGrace = 2*time.Millisecond, time.Hour, -1
	})
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for range 50 {
				c, err := p.Acquire(t.Context(), "acme")
				if err != nil {
					t.Errorf("acquire: %v", err)
					return
				}
				if err := tryEcho(t, c, "prod"); err != nil {
					t.Error(err)
				}
				c.Release()
				time.Sleep(rand.N(10 * time.Millisecond)) // idle, or not
			}
		})
	}
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	for i := 0; ; i++ {
		if c, err := p.Acquire(t.Context(), "lab"); err == nil { // which comes and goes
			c.Release()
		}
		select {
		case <-done:
			return
		case <-time.After(rand.N(100 * time.Millisecond)):
			l.set(lists[i%len(lists)])
		}
	}
}

// tryEcho makes a request as a bridge does: where the instance is not there, on
// the next one.
func tryEcho(t *testing.T, c *Conn, cluster string) error {
	var a directory.Attempt
	for try := 1; ; try++ {
		in, err := c.Directory().Pick(t.Context(), cluster, &a)
		if err != nil {
			return fmt.Errorf("pick: %w", err)
		}
		defer in.Release()
		st, err := c.Open(t.Context(), cluster, in.Name(), []byte("hello"), true)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		defer st.Close()
		b, err := io.ReadAll(st)
		if subjects.CodeOf(err) == subjects.CodeNoInstance && try < 3 {
			in.Lost()
			continue
		}
		if err != nil || string(b) != "hello" {
			return fmt.Errorf("read: %q, %w", b, err)
		}
		return nil
	}
}
