package tenant

import (
	"errors"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
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
	eventually.True(t, "the idle connection is closed", func() bool { return s.NumClients() == 0 })
	again := acquire(t, p, "acme")
	again.Release()
}

// TestIdleTime: an unused connection stays open for the time that Config gives,
// and for no more than half of it longer, although the janitor looks only now and
// then, and a little early or late.
func TestIdleTime(t *testing.T) {
	for _, jitter := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
		s := natstest.Start(t, "acme")
		p := newPool(t, s, func(c *Config) { c.Idle, c.UserTTL = time.Hour, 24*time.Hour })
		acquire(t, p, "acme").Release()
		j, began := newJanitor(p), time.Now()
		j.sweep(began)
		acquire(t, p, "acme").Release() // last used just after a look
		closed := func() bool {
			p.mu.RLock()
			defer p.mu.RUnlock()
			return p.accounts["acme"].conn == nil
		}
		var now time.Duration
		for i := time.Duration(1); !closed() && i < 100; i++ {
			now = i * (j.sweepInterval() + jitter)
			j.sweep(began.Add(now))
		}
		if now < time.Hour || now > 90*time.Minute+100*time.Millisecond {
			t.Errorf("closed %v after it was used, want after 1 h to 1.5 h (jitter %v)", now, jitter)
		}
	}
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
