package natslink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// once connects as an agent does that renews its connections itself.
func once(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := ConnectOnce(ConnectOptions{
		Servers: []string{url}, UserJWT: func() (string, error) { return "", nil },
		SignNonce: func([]byte) ([]byte, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestMove: an agent changes its connection again and again, over to a working
// one and after a loss, under a download and small requests. The download is
// exact, no request fails or is executed twice, and as long as the old
// connection works nobody notices.
func TestMove(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	var mu sync.Mutex
	executed := map[string]int{}
	b, a, _ := start(t, srv.ClientURL(), func(s *stream.Stream) {
		first, err := s.Next()
		if err != nil {
			return
		}
		if string(first) == "bulk" {
			random := rand.NewChaCha8([32]byte{1})
			chunk := make([]byte, 32<<10)
			for s.Context().Err() == nil {
				_, _ = random.Read(chunk)
				if _, err := s.Write(chunk); err != nil {
					return
				}
			}
			return
		}
		mu.Lock()
		executed[string(first)]++
		mu.Unlock()
		_ = s.WriteFinal(first)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	moved := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s, err := b.Open(ctx, "prod", "a1", []byte("bulk"), true)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		got, want := sha256.New(), sha256.New()
		random, chunk := rand.NewChaCha8([32]byte{1}), make([]byte, 32<<10)
		total := 0
		for {
			select {
			case <-moved:
				t.Logf("%d MiB downloaded meanwhile", total>>20)
				return
			default:
			}
			arrived := make([]byte, len(chunk))
			if _, err := io.ReadFull(s, arrived); err != nil {
				t.Errorf("download broke after %d bytes: %v", total, err)
				return
			}
			_, _ = random.Read(chunk)
			got.Write(arrived)
			want.Write(chunk)
			if total += len(arrived); !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("after %d bytes others arrived than were sent", total)
				return
			}
		}
	})
	var slowest atomic.Int64
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-moved:
					return
				default:
				}
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
				slowest.Store(max(slowest.Load(), int64(time.Since(began))))
			}
		})
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
	t.Logf("slowest request during five moves: %s", time.Duration(slowest.Load()))
	mu.Lock()
	defer mu.Unlock()
	for body, n := range executed {
		if n != 1 {
			t.Errorf("%s was executed %d times", body, n)
		}
	}
	if len(executed) < 10 {
		t.Errorf("only %d requests", len(executed))
	}
}

// TestMoveAfterLoss: a stream goes on over the next connection after one was
// lost, and what cannot be moved to leaves things as they were.
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
	move()
	before, subscriptions := runtime.NumGoroutine(), srv.NumSubscriptions()
	for range 1000 {
		move()
	}
	eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= before })
	if n := srv.NumClients(); n != 2 {
		t.Errorf("%d connections, want the bridge's and the agent's", n)
	}
	if n := srv.NumSubscriptions(); n != subscriptions {
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
