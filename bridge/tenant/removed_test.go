package tenant

import (
	"errors"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
)

// TestRemovedBeforeItOpens: requests that wait for a connection whose tenant is
// removed before the attempt to connect has begun learn that, not that the
// attempt was canceled.
func TestRemovedBeforeItOpens(t *testing.T) {
	s := natstest.Start(t, "acme")
	p := newPool(t, s, func(*Config) {})
	for _, cause := range []error{ErrUnknown, ErrReplaced, ErrClosed} {
		c := newConn(&p.cfg, "acme", s.Accounts["acme"], directory.New(p.cfg.Directory))
		c.retire(cause)
		c.abort()
		c.open()
		if err := c.waitOpen(t.Context()); !errors.Is(err, cause) {
			t.Errorf("waiting ended with %q, want %q", err, cause)
		}
	}
}
