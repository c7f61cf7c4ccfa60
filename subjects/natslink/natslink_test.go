package natslink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer runs a real server on a free port, or on the one given.
func startServer(t testing.TB, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, MaxPayload: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("server not ready within 10 s")
	}
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// options are those of a connection without credentials: permissions are tested
// with the broker.
func options(urls ...string) ConnectOptions {
	return ConnectOptions{
		Servers: urls, UserJWT: func() (string, error) { return "", nil },
		SignNonce: func([]byte) ([]byte, error) { return nil, nil },
	}
}

// dial connects until the test ends.
func dial(t testing.TB, urls ...string) *nats.Conn {
	t.Helper()
	nc, err := Connect(t.Context(), options(urls...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

type presences struct {
	mu   sync.Mutex
	seen []subjects.Presence
	news chan struct{}
}

func (p *presences) add(_, _ string, q *subjects.Presence) {
	p.mu.Lock()
	p.seen = append(p.seen, *q)
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// wait blocks until a presence satisfies ok, for at most 15 s.
func (p *presences) wait(t testing.TB, ok func(subjects.Presence) bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		p.mu.Lock()
		for _, q := range p.seen {
			if ok(q) {
				p.mu.Unlock()
				return
			}
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-deadline:
			t.Fatalf("no such presence within 15 s; seen %+v", p.seen)
		}
	}
}

func start(t testing.TB, url string, handler func(*stream.Stream)) (*Bridge, *Agent, *presences) {
	t.Helper()
	seen := &presences{news: make(chan struct{}, 1)}
	b, err := NewBridge(dial(t, url), BridgeConfig{ID: "b1", OnPresence: seen.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.nc.Flush(); err != nil { // subscribed before the agent announces itself
		t.Fatal(err)
	}
	a, err := NewAgent(dial(t, url), AgentConfig{
		Cluster: "prod", Instance: "a1", Stream: stream.Config{Handler: handler},
		Presence: func() subjects.Presence { return subjects.Presence{Version: "test", Reachable: true} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceUp })
	return b, a, seen
}

func echo(s *stream.Stream) {
	if _, err := s.ReadFrom(struct{ io.Reader }{s}); err == nil {
		_ = s.CloseWrite()
	}
}

func TestExchangeAndPresence(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, a, seen := start(t, srv.ClientURL(), echo)
	body := make([]byte, 20<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	s, err := b.Open(t.Context(), "prod", "a1", body[:100], false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() { _ = s.WriteFinal(body[100:]) }()
	h := sha256.New()
	if n, err := s.WriteTo(h); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if want := sha256.Sum256(body); !bytes.Equal(h.Sum(nil), want[:]) {
		t.Error("bytes differ")
	}
	if err := b.Query("prod"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceDraining })
	if s, err = b.Open(t.Context(), "prod", "a1", []byte("x"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a draining agent answered %v", err)
	}
	_ = a.Close()
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceBye })
}

func TestNobodyListens(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	begin := time.Now()
	s, err := b.Open(t.Context(), "prod", "a2", []byte("x"), true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Next()
	if subjects.CodeOf(err) != subjects.CodeNoInstance {
		t.Fatalf("got %v, want no-instance", err)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("known after %v", d)
	}
}

// TestForgedNoResponders: what an agent can publish must not pass for NATS's
// own word.
func TestForgedNoResponders(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	s, err := b.Open(t.Context(), "prod", "a1", []byte("x"), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, srv.ClientURL())
	if err := nc.Publish(subjects.NoResponders("b1", "prod", "a1", s.ID()), []byte("503")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Next(); err != nil || string(c) != "y" {
		t.Errorf("got %q, %v", c, err)
	}
	s.Close()
}

func TestStreamsSurviveServerRestart(t *testing.T) {
	srv := startServer(t, 0)
	url, port := srv.ClientURL(), srv.Addr().String()
	p, _ := strconv.Atoi(port[len("127.0.0.1:"):])
	var mu sync.Mutex
	executed := map[string]int{}
	b, _, _ := start(t, url, func(s *stream.Stream) {
		first, err := s.Next()
		if err != nil {
			return
		}
		if string(first) == "bulk" {
			r := rand.New(rand.NewPCG(9, 9))
			chunk := make([]byte, 64<<10)
			for range 2000 { // 125 MiB
				for i := 0; i < len(chunk); i += 512 {
					chunk[i] = byte(r.Uint32())
				}
				if _, err := s.Write(chunk); err != nil {
					return
				}
			}
			_ = s.CloseWrite()
			return
		}
		mu.Lock()
		executed[string(first)]++
		mu.Unlock()
		_ = s.WriteFinal(first)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	var wg sync.WaitGroup
	halfway := make(chan struct{})
	wg.Go(func() {
		s, err := b.Open(ctx, "prod", "a1", []byte("bulk"), true)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		got, want := sha256.New(), sha256.New()
		r := rand.New(rand.NewPCG(9, 9))
		chunk := make([]byte, 64<<10)
		total := 0
		for {
			c, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Errorf("download broke after %d bytes: %v", total, err)
				return
			}
			if total < 40<<20 && total+len(c) >= 40<<20 {
				close(halfway)
			}
			total += len(c)
			got.Write(c)
		}
		for range 2000 {
			for i := 0; i < len(chunk); i += 512 {
				chunk[i] = byte(r.Uint32())
			}
			want.Write(chunk)
		}
		if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("%d bytes arrived, not those sent", total)
		}
	})
	posts := make(chan error, 100)
	wg.Go(func() {
		for i := range 100 {
			posts <- post(ctx, b, fmt.Sprintf("post %d", i))
		}
		close(posts)
	})
	<-halfway
	stopServer(srv)
	srv = startServer(t, p)
	defer stopServer(srv)
	wg.Wait()
	failed := 0
	for err := range posts {
		if err == nil {
			continue
		}
		failed++
		t.Errorf("post: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for k, n := range executed {
		if n > 1 {
			t.Errorf("%s executed %d times", k, n)
		}
	}
	if len(executed)+failed < 100 {
		t.Errorf("%d executed, %d failed, of 100", len(executed), failed)
	}
	if b.Stats().Open != 0 {
		t.Logf("streams still open: %+v", b.Stats())
	}
}

func post(ctx context.Context, b *Bridge, body string) error {
	for {
		s, err := b.Open(ctx, "prod", "a1", []byte(body), true)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(s)
		s.Close()
		if subjects.CodeOf(err).NotExecuted() { // the agent is not back yet
			continue
		}
		if err == nil && string(got) != body {
			err = errors.New("another answer: " + string(got))
		}
		return err
	}
}

func BenchmarkUnary(b *testing.B) {
	srv := startServer(b, 0)
	defer stopServer(srv)
	br, _, _ := start(b, srv.ClientURL(), func(s *stream.Stream) {
		if _, err := s.Next(); err == nil {
			_ = s.WriteFinal(make([]byte, 1024))
		}
	})
	req := make([]byte, 200)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := br.Open(b.Context(), "prod", "a1", req, true)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.Next(); err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	srv := startServer(b, 0)
	defer stopServer(srv)
	br, _, _ := start(b, srv.ClientURL(), func(s *stream.Stream) {
		_, _ = s.ReadFrom(endless{})
	})
	s, err := br.Open(b.Context(), "prod", "a1", []byte("x"), true)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		for n := 0; n < 1<<20; {
			c, err := s.Next()
			if err != nil {
				b.Fatal(err)
			}
			n += len(c)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
