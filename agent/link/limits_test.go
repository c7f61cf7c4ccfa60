package link

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// attempt is one call of a connector's dial.
type attempt struct {
	at     time.Duration // since the start
	server string
}

// limitedConnector is a connector whose attempts answer decides. It appends them to
// attempts.
func limitedConnector(t *testing.T, servers []string, creds string, attempts *[]attempt, answer func(n int, server string) error) *Connector {
	t.Helper()
	c, err := New(Config{
		Servers: servers, CredsFile: creds, Registry: prometheus.NewRegistry(), Logger: agenttest.Discard(),
		Adopt: func(*nats.Conn, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	c.dial = func(_ context.Context, server *url.URL, creds *Creds) (*connection, error) {
		*attempts = append(*attempts, attempt{time.Since(start), server.Hostname()})
		if err := answer(len(*attempts), server.Hostname()); err != nil {
			return nil, fmt.Errorf("handshake: %w", err)
		}
		return &connection{server: server.Hostname(), creds: creds}, nil
	}
	return c
}

// credsFile writes valid credentials of cluster prod.
func writeCreds(t *testing.T) string {
	t.Helper()
	b := agenttest.NewBroker(t)
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	return file
}

// TestRateLimitIsWaitedFor: five times as long as the server asks, and a little
// more. Then the agent gives up for some minutes.
func TestRateLimitIsWaitedFor(t *testing.T) {
	creds := writeCreds(t)
	synctest.Test(t, func(t *testing.T) {
		var attempts []attempt
		limit := &dial.Refusal{Status: 429, RetryAfter: "60"}
		c := limitedConnector(t, []string{"wss://a"}, creds, &attempts, func(n int, _ string) error {
			if n > 2*(reach.LimitedAttempts+1) {
				return nil
			}
			return limit
		})
		ready := make(map[int]string)
		inner := c.dial
		c.dial = func(ctx context.Context, server *url.URL, creds *Creds) (*connection, error) {
			_, err := c.Check(ctx)
			ready[len(attempts)] = err.Error()
			return inner(ctx, server, creds)
		}
		probed := make(chan string)
		go func() { // in the middle of the first wait
			time.Sleep(30 * time.Second)
			_, err := c.Check(t.Context())
			probed <- err.Error()
		}()
		if c.establish(t.Context()) == nil {
			t.Fatal("not connected")
		}
		at := time.Now().Add(-attempts[len(attempts)-1].at).Add(attempts[1].at).UTC().Format(time.RFC3339)
		if text := <-probed; !strings.Contains(text, "the next attempt is at "+at) {
			t.Errorf("while waiting until %s, readiness is %q", at, text)
		}
		for i := 1; i < len(attempts); i++ {
			gap := attempts[i].at - attempts[i-1].at
			least, most := time.Minute, time.Minute+reach.FirstSpread<<((i-1)%(reach.LimitedAttempts+1))
			gaveUp := i%(reach.LimitedAttempts+1) == 0
			if gaveUp {
				least, most = reach.GiveUpAtLeast, reach.GiveUpAtMost
			}
			if gap < least || gap > most {
				t.Errorf("wait %d: %v, want %v to %v", i, gap, least, most)
			}
			if strings.Contains(ready[i], "gave up due to rate limit") != gaveUp {
				t.Errorf("wait %d: readiness is %q", i, ready[i])
			}
		}
	})
}

// TestAnotherServerIsTriedAtOnce: one server's limit is not another's. If all are
// limited, the shortest wait counts.
func TestAnotherServerIsTriedAtOnce(t *testing.T) {
	creds := writeCreds(t)
	synctest.Test(t, func(t *testing.T) {
		var attempts []attempt
		down := errors.New("connection refused")
		c := limitedConnector(t, []string{"wss://a", "wss://b"}, creds, &attempts, func(n int, server string) error {
			switch {
			case server == "a":
				return &dial.Refusal{Status: 503, RetryAfter: "600"}
			case n < 20:
				return down
			case n == 20:
				return &dial.Refusal{Status: 429, RetryAfter: "30"}
			}
			return nil
		})
		if c.establish(t.Context()) == nil {
			t.Fatal("not connected")
		}
		last, before := attempts[len(attempts)-1], attempts[len(attempts)-2]
		if wait := last.at - before.at; last.server != "b" || wait < 30*time.Second || wait > 30*time.Second+reach.FirstSpread {
			t.Errorf("both limited: %s is tried after %v, want b after 30 s", last.server, wait)
		}
		ofA := 0
		for i, of := range attempts {
			if of.server == "a" {
				ofA++
			}
			if i > 1 && i < len(attempts)-1 && of.at-attempts[i-1].at > 15*time.Second {
				t.Errorf("attempt %d is %v after the one before", i, of.at-attempts[i-1].at)
			}
		}
		if ofA != 1 {
			t.Errorf("a is tried %d times, want once", ofA)
		}
	})
}

// TestNewCredentialsEndTheWait: like every other pause.
func TestNewCredentialsEndTheWait(t *testing.T) {
	b := agenttest.NewBroker(t)
	first, _ := b.Creds(b.Agents, "prod", time.Time{})
	second, _ := b.Creds(b.Agents, "prod", time.Time{})
	file := filepath.Join(t.TempDir(), "creds")
	agenttest.WriteFile(t, file, agenttest.ReadFile(t, first))
	fresh := agenttest.ReadFile(t, second)
	synctest.Test(t, func(t *testing.T) {
		var attempts []attempt
		c := limitedConnector(t, []string{"wss://a"}, file, &attempts, func(n int, _ string) error {
			if n == 1 {
				return &dial.Refusal{Status: 429, RetryAfter: "600"}
			}
			return nil
		})
		go func() {
			time.Sleep(100 * time.Second)
			next := file + ".new"
			if err := errors.Join(os.WriteFile(next, []byte(fresh), 0o600), os.Rename(next, file)); err != nil {
				t.Error(err)
			}
		}()
		if c.establish(t.Context()) == nil {
			t.Fatal("not connected")
		}
		if len(attempts) != 2 || attempts[1].at > 105*time.Second {
			t.Errorf("attempts %v, want the second 100 s after the first", attempts)
		}
	})
}
