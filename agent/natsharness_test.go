package agent

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func runAgent(t *testing.T, cfg Config) (a *Agent, stop func(), log *syncBuffer) {
	t.Helper()
	log = &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	t.Cleanup(stop)
	return a, stop, log
}

// loads is a Config's LoadKube.
func loads(c *rest.Config) func() (*rest.Config, error) {
	return func() (*rest.Config, error) { return c, nil }
}
