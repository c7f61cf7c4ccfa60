package tenant

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestMendedAccountIsTaken: a tenant whose account was not pushed works once it
// is, without a restart, when the connection is next tried: after a second or
// two here, and 10 s at most where the broker has refused it for long.
func TestMendedAccountIsTaken(t *testing.T) {
	s := natstest.Start(t, "acme")
	push := s.Mint(t, "late")
	log := &lockedLog{}
	p := newPool(t, s, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	c := acquire(t, p, "late")
	defer c.Release()
	eventually.True(t, "the bridge is refused, and the log says so", func() bool { return c.Refusal() != nil && log.String() != "" })
	for _, want := range []string{"not pushed", "signing key", "tenants.yaml", "expired"} {
		if got := c.Refusal().Error(); !strings.Contains(got, want) || !strings.Contains(log.String(), want) {
			t.Errorf("refusal %q and log %q do not both say %q", got, log, want)
		}
	}
	push()
	began := time.Now()
	startAgent(t, s.Agent(t, "late", "prod"), "prod", "a1")
	eventually.True(t, "requests find the agent", func() bool {
		in, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
		if err != nil {
			return false
		}
		in.Release()
		return true
	})
	t.Logf("works %v after the account was pushed", time.Since(began))
	if err := c.Refusal(); err != nil {
		t.Errorf("still refused: %v", err)
	}
}
