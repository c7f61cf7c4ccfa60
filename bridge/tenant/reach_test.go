package tenant

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// reaching runs Reach until the test ends, and returns a channel that is closed
// when it has returned.
func reaching(t *testing.T, p *Pool) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Reach(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return done
}

func TestReady(t *testing.T) {
	s := natstest.Start(t, "acme", "globex")
	p := newPool(t, s, nil)
	if err := p.Ready(); err == nil {
		t.Error("ready before a broker was asked")
	}
	<-reaching(t, p)
	if err := p.Ready(); err != nil {
		t.Errorf("reached a broker, and not ready: %v", err)
	}
	s.Stop()
	if err := p.Ready(); err != nil {
		t.Errorf("a bridge that has lost its broker still answers callers: %v", err)
	}
}

func TestReadyWithoutTenants(t *testing.T) {
	s := natstest.Start(t, "acme")
	p := newPool(t, s, func(c *Config) { c.Tenants = func() List { return nil } })
	reaching(t, p)
	if err := p.Ready(); err != nil {
		t.Errorf("nothing is in the way of no tenants: %v", err)
	}
}

// A tenant that is not pushed, or whose account does not list the key, says so,
// and does not hide another that works.
func TestOneRefusedTenant(t *testing.T) {
	s := natstest.Start(t, "acme", "globex")
	wrong := natstest.Start(t, "acme")
	for _, only := range []bool{true, false} {
		list := List{"acme": {Account: wrong.Accounts["acme"]}}
		if !only {
			list["globex"] = Entry{Account: s.Accounts["globex"]}
		}
		p := newPool(t, s, func(c *Config) { c.Tenants = func() List { return list } })
		done := reaching(t, p)
		if !only {
			<-done
			if err := p.Ready(); err != nil {
				t.Errorf("globex works: %v", err)
			}
			continue
		}
		eventually.True(t, "the refusal is told", func() bool {
			err := p.Ready()
			return err != nil && strings.Contains(err.Error(), "tenant acme: the broker refuses this bridge: jwt: ") && strings.Contains(err.Error(), "the account in tenants.yaml") &&
				strings.Contains(err.Error(), "[unknown-account] Push the tenant's account")
		})
	}
}

func TestReadyWhenTheBrokerComes(t *testing.T) {
	s := natstest.Start(t, "acme")
	urls := s.ClientURLs()
	s.Stop()
	p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, urls...) })
	done := reaching(t, p)
	eventually.True(t, "the reason is told", func() bool {
		err := p.Ready()
		return err != nil && strings.Contains(err.Error(), "no connection to a broker: tcp: ") && strings.Contains(err.Error(), "[connection-refused]")
	})
	s.Restart(t)
	select {
	case <-done:
	case <-time.After(30 * time.Second): // the back-off is at most 10 s by then
		t.Fatalf("not reached: %v", p.Ready())
	}
	if err := p.Ready(); err != nil {
		t.Error(err)
	}
}
