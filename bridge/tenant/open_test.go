package tenant

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestUnopenableConnectionIsReplaced: a connection that could not be opened is
// not kept for as long as requests come, nor is each of them an attempt.
func TestUnopenableConnectionIsReplaced(t *testing.T) {
	s := natstest.Start(t, "acme")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, nil)
	id := p.cfg.ID
	p.mu.Lock()
	p.cfg.ID = "no name"
	p.mu.Unlock()
	if _, err := p.Acquire(t.Context(), "acme"); err == nil {
		t.Fatal("connected as a bridge without a name")
	}
	p.mu.Lock()
	first := p.accounts["acme"].conn
	p.cfg.ID = id // whatever stood in the way
	p.mu.Unlock()
	if _, err := p.Acquire(t.Context(), "acme"); err == nil {
		t.Error("tried again at once")
	}
	first.failedAt = first.failedAt.Add(-openRetry)
	c := acquire(t, p, "acme")
	defer c.Release()
	echo(t, c, "prod", "hello")
}

// TestPermissionViolationsAreThrottled: the broker answers each message that it
// does not allow, and one line a minute says so.
func TestPermissionViolationsAreThrottled(t *testing.T) {
	log := &lockedLog{}
	s := natstest.Start(t, "acme")
	p := newPool(t, s, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	c := acquire(t, p, "acme")
	defer c.Release()
	for range 100 {
		if err := c.nc.Publish("forbidden", nil); err != nil {
			t.Fatal(err)
		}
	}
	lines := func() int { return strings.Count(log.String(), "Permissions Violation") }
	eventually.True(t, "a violation is logged", func() bool { return lines() > 0 })
	eventually.True(t, "all of them are noticed", func() bool {
		c.violations.mu.Lock()
		defer c.violations.mu.Unlock()
		return c.violations.suppressed == 99
	})
	if n := lines(); n != 1 {
		t.Errorf("%d lines for 100 violations, want one", n)
	}
	c.violations.mu.Lock()
	c.violations.last = time.Now().Add(-logInterval)
	c.violations.mu.Unlock()
	c.onError(fmt.Errorf("%w: one more", nats.ErrPermissionViolation))
	if !strings.Contains(log.String(), "suppressed=99") {
		t.Error("the next line does not say how many were not logged")
	}
}

// TestLostConnectionIsTold: a connection that is lost after it was in use is told as such,
// with the server that it was to.
func TestLostConnectionIsTold(t *testing.T) {
	log := &lockedLog{}
	s := natstest.Start(t, "acme")
	b := s.Broker(t)
	p := newPool(t, s, func(c *Config) {
		c.InProcess, c.Broker, c.Logger = nil, b, slog.New(slog.NewTextHandler(log, nil))
	})
	c := acquire(t, p, "acme")
	defer c.Release()
	eventually.True(t, "it is connected", func() bool { return strings.Contains(log.String(), "connected to the broker") })
	s.Stop()
	const lost = "connection to the broker lost"
	eventually.True(t, "the loss is logged", func() bool { return strings.Contains(log.String(), lost) })
	_, line, _ := strings.Cut(log.String(), lost)
	line, _, _ = strings.Cut(line, "\n")
	for _, want := range []string{`tried="stay connected to the broker for the tenant"`, "server=" + b.Servers()[0].String(), "had been in use"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in%s", want, line)
		}
	}
}
