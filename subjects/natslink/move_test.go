package natslink

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestMove: an agent changes its connection again and again, over to a working
// one and after a loss, under a download and small requests. The download is
// exact, no request fails or is executed twice, and as long as the old
// connection works no caller notices.
func TestMove(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	var work workload
	b, a, _ := start(t, srv.ClientURL(), work.serve)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	moved := make(chan struct{})
	moving := func() bool {
		select {
		case <-moved:
			return false
		default:
			return true
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		err := download(ctx, b, 1<<30, func(total int) bool {
			if moving() {
				return true
			}
			t.Logf("%d MiB downloaded meanwhile", total>>20)
			return false
		})
		if err != nil {
			t.Error(err)
		}
	})
	for worker := range 4 {
		wg.Go(func() { requests(ctx, t, b, worker, moving) })
	}
	current := a.nc.Load()
	for range 5 {
		next := once(t, srv.ClientURL())
		if err := a.Move(next); err != nil {
			t.Fatal(err)
		}
		current.Close()
		current = next
	}
	close(moved)
	wg.Wait()
	if n := work.check(t); n < 10 {
		t.Errorf("only %d requests", n)
	}
}

// requests makes one request after another for as long as more returns true.
// None may fail, not even as not executed.
func requests(ctx context.Context, t *testing.T, b *Bridge, worker int, more func() bool) {
	var slowest time.Duration
	for i := 0; more(); i++ {
		body, began := fmt.Sprintf("request %d of %d", i, worker), time.Now()
		s, err := b.Open(ctx, "prod", "a1", []byte(body), true)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		got, err := io.ReadAll(s)
		s.Close()
		if err != nil || string(got) != body {
			t.Errorf("%s: got %q, %v", body, got, err)
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest request of worker %d: %s", worker, slowest)
}

// TestMoveAfterLoss: a stream continues over the next connection after one was lost.
// A connection that cannot be used changes nothing.
func TestMoveAfterLoss(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, a, _ := start(t, srv.ClientURL(), echo)
	s, err := b.Open(t.Context(), "prod", "a1", []byte("x"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exchange := func() error {
		if _, err := s.Next(); err != nil {
			return err
		}
		_, err := s.Write([]byte("y"))
		return err
	}
	if err := exchange(); err != nil {
		t.Fatal(err)
	}
	closed := once(t, srv.ClientURL())
	closed.Close()
	if err := a.Move(closed); err == nil {
		t.Error("moved to a connection that is closed")
	}
	if err := exchange(); err != nil {
		t.Fatalf("after a move that failed: %v", err)
	}
	a.nc.Load().Close()
	if err := a.Move(once(t, srv.ClientURL())); err != nil {
		t.Fatal(err)
	}
	if err := exchange(); err != nil {
		t.Fatalf("after the move: %v", err)
	}
	_ = a.Close()
	if err := a.Move(once(t, srv.ClientURL())); err == nil {
		t.Error("a closed agent was moved")
	}
	if c := subjects.CodeOf(func() error { _, err := io.Copy(io.Discard, s); return err }()); c != subjects.CodeShutdown {
		t.Errorf("the stream of a closed agent ended with %v", c)
	}
}

// TestMovesLeaveNothing: an agent that moves for months is as small as before.
func TestMovesLeaveNothing(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	_, a, seen := start(t, srv.ClientURL(), echo)
	move := func() {
		old, next := a.nc.Load(), once(t, srv.ClientURL())
		old.Close() // so that Move need not wait
		if err := a.Move(next); err != nil {
			t.Fatal(err)
		}
	}
	// The server drops a closed connection first, and its subscriptions a moment later.
	settled := func() uint32 {
		t.Helper()
		last, same := srv.NumSubscriptions(), 0
		eventually.True(t, "two connections, and no change of the subscriptions", func() bool {
			n := srv.NumSubscriptions()
			if same++; n != last {
				last, same = n, 0
			}
			return srv.NumClients() == 2 && same >= 20
		})
		return last
	}
	move()
	subscriptions, before := settled(), runtime.NumGoroutine()
	for range 1000 {
		move()
	}
	eventually.True(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= before })
	if n := settled(); n != subscriptions {
		t.Errorf("%d subscriptions, %d before", n, subscriptions)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, p := range seen.seen {
		if p.State != subjects.PresenceUp {
			t.Errorf("the bridge was told %q", p.State)
		}
	}
}
