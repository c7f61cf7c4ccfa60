package link

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestRateLimitOfAProxy: a real HTTP proxy limits the rate twice, once in seconds and
// once by its own clock, which is wrong, and then lets the agent through to a broker.
func TestRateLimitOfAProxy(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.WithWebSocket(false)
	to, err := url.Parse(strings.Replace(b.Server.WebsocketURL(), "ws://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	var mu sync.Mutex
	var asked []time.Time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, time.Now())
		n := len(asked)
		mu.Unlock()
		switch n {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			theirs := time.Now().Add(-24 * time.Hour).UTC()
			w.Header().Set("Date", theirs.Format(http.TimeFormat))
			w.Header().Set("RateLimit-ResetTime", theirs.Add(2*time.Second).Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	defer s.Close()
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	c, err := New(Config{
		Servers:   []string{"ws" + strings.TrimPrefix(s.URL, "http") + "/nats"},
		CredsFile: creds, Registry: prometheus.NewRegistry(), Logger: agenttest.Discard(),
		Adopt: func(*nats.Conn, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc := c.Run(ctx); nc != nil {
			nc.Close()
		}
	}()
	defer func() { cancel(); <-done }() // also if it never connects
	eventually.Nil(t, "a connection, after at most 1 s + 2 s + 2 s + 4 s", func() error {
		_, err := c.Check(ctx)
		return err
	})
	cancel()
	<-done
	if len(asked) != 3 {
		t.Fatalf("%d handshakes, want 3", len(asked))
	}
	for i, least := range []time.Duration{time.Second, 2 * time.Second} {
		// A date has whole seconds.
		if wait := asked[i+1].Sub(asked[i]); wait < least-time.Millisecond || wait > least+reach.FirstSpread<<i+time.Second {
			t.Errorf("wait %d: %v, want %v and up to %v more", i+1, wait, least, reach.FirstSpread<<i)
		}
	}
}
