package tenant

import (
	"errors"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
)

func TestIdleConnectionIsClosed(t *testing.T) {
	s := natstest.Start(t, "acme")
	p := newPool(t, s, func(c *Config) { c.Idle, c.UserTTL = 20*time.Millisecond, 24*time.Hour })
	c := acquire(t, p, "acme")
	j := newJanitor(p)
	j.sweep(time.Now())
	j.sweep(time.Now().Add(time.Hour))
	j.sweep(time.Now().Add(2 * time.Hour))
	if !c.nc.IsConnected() {
		t.Fatal("closed while it was held")
	}
	c.Release()
	eventually(t, "the idle connection is closed", func() bool { return s.NumClients() == 0 })
	again := acquire(t, p, "acme")
	again.Release()
}

// TestIdleIsAtLeastIdle: an unused connection stays for the time that Config
// gives, however often the janitor looks.
func TestIdleIsAtLeastIdle(t *testing.T) {
	s := natstest.Start(t, "acme")
	p := newPool(t, s, func(c *Config) { c.Idle, c.UserTTL = time.Hour, 24*time.Hour })
	c := acquire(t, p, "acme")
	c.Release()
	j, now := newJanitor(p), time.Now()
	for d := time.Duration(0); d < time.Hour; d += time.Minute {
		j.sweep(now.Add(d))
	}
	if !c.nc.IsConnected() {
		t.Fatal("closed before it was idle for an hour")
	}
	j.sweep(now.Add(time.Hour))
	eventually(t, "the idle connection is closed", func() bool { return c.nc.IsClosed() })
}

// TestFirstRequestAfterIdleTime: once the idle connection was closed the next
// request opens another one, and is answered by it like every other: it waits
// until the connection is up and the agent has answered. That holds for an agent
// that was replaced in the meantime too, and for a bridge that waits for no
// reconnecting cluster.
func TestFirstRequestAfterIdleTime(t *testing.T) {
	for name, grace := range map[string]time.Duration{"short grace": time.Millisecond, "no grace": -1} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t, "acme")
			a := startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
			p := newPool(t, s, func(c *Config) { c.Directory.ReconnectGrace = grace })
			goIdle := func() {
				t.Helper()
				j := newJanitor(p)
				j.sweep(time.Now())
				j.sweep(time.Now()) // it was in use before the first
				j.sweep(time.Now().Add(time.Hour))
				if p.accounts["acme"].conn != nil {
					t.Fatal("the connection is not closed")
				}
			}
			request := func() {
				t.Helper()
				c := acquire(t, p, "acme")
				defer c.Release()
				echo(t, c, "prod", "hello")
			}
			request()
			for range 5 {
				goIdle()
				request()
			}
			goIdle()
			_ = a.Close()
			startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a2")
			request()
		})
	}
}

// TestOfflineAfterIdleTime: a cluster that went away while the bridge was not
// connected is known to be offline as soon as the broker has said so, by a
// request of whatever kind.
func TestOfflineAfterIdleTime(t *testing.T) {
	s := natstest.Start(t, "acme")
	a := startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, nil)
	c := acquire(t, p, "acme")
	echo(t, c, "prod", "hello")
	c.Release()
	j := newJanitor(p)
	j.sweep(time.Now())
	j.sweep(time.Now().Add(time.Hour))
	_ = a.Close()

	c = acquire(t, p, "acme")
	defer c.Release()
	began := time.Now()
	_, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
	if ue, ok := errors.AsType[*directory.UnavailableError](err); !ok || ue.State != directory.Offline || ue.Since.IsZero() {
		t.Errorf("got %v, want offline since it was last heard", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("that took %v, want a round trip and 250 ms", took)
	}
}
