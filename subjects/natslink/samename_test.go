package natslink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.b.Bytes(), []byte(text))
}

// TestTwoBridgesOfOneName: names are random and cannot be configured, so this
// takes a running process that was cloned. The two get each other's frames and
// cannot work; but no request gets the answer to another or is executed twice,
// and the log says what is wrong.
func TestTwoBridgesOfOneName(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	var mu sync.Mutex
	executed := map[string]int{}
	log := &lines{}
	a, err := NewAgent(dial(t, srv.ClientURL()), AgentConfig{
		Cluster: "prod", Instance: "a1",
		Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			b, err := io.ReadAll(s)
			if err != nil {
				return
			}
			mu.Lock()
			executed[string(b)]++
			mu.Unlock()
			_ = s.WriteFinal(b)
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.nc.Load().Flush(); err != nil {
		t.Fatal(err)
	}
	var bridges []*Bridge
	for range 2 {
		b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{
			ID: "b1", Logger: slog.New(slog.NewTextHandler(log, nil)),
			// What nobody answers is given up soon, for the test's sake.
			Stream: stream.Config{PeerTimeout: 2 * time.Second, PingInterval: 250 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		bridges = append(bridges, b)
	}

	const each = 50
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	results := make(chan error, 2*each)
	for i, b := range bridges {
		for n := range each {
			wg.Go(func() {
				body := fmt.Sprintf("request %d of %d", n, i)
				s, err := b.Open(ctx, "prod", "a1", []byte(body), true)
				if err != nil {
					results <- err
					return
				}
				defer s.Close()
				got, err := io.ReadAll(s)
				if err == nil && string(got) != body {
					t.Errorf("%s: got the answer %q", body, got)
				}
				results <- err
			})
		}
	}
	wg.Wait()
	close(results)
	causes := map[string]int{}
	for err := range results {
		causes[subjects.CodeOf(err).String()]++
	}
	mu.Lock()
	for body, n := range executed {
		if n != 1 {
			t.Errorf("%s was executed %d times", body, n)
		}
	}
	t.Logf("%d of %d executed; outcomes %v", len(executed), 2*each, causes)
	mu.Unlock()

	// As long as both have something open, the younger hears of the other.
	for _, b := range bridges {
		s, err := b.Open(t.Context(), "prod", "a1", []byte("has no end"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	eventually(t, "the log names the mistake", func() bool { return log.has("does another process use the same id?") })
}
