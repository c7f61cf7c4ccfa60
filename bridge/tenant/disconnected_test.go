package tenant

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestDisconnected: readiness tells each reason once, with the tenants that share it, and
// neither tenants that are connected nor those that the broker refuses.
func TestDisconnected(t *testing.T) {
	names := []string{"acme", "globex", "initech", "umbrella", "wayne"}
	s := natstest.Start(t, names...)
	p := newPool(t, s, nil)
	set := func(tenant string, change func(*state)) {
		c := acquire(t, p, tenant)
		defer c.Release()
		c.status.change(change)
	}
	down := func(got string) func(*state) {
		return func(st *state) {
			st.up, st.refusal, st.failure = false, nil, &cause.Failure{Hop: cause.TCP, Cause: cause.Refused, Got: got}
		}
	}
	for _, name := range names {
		c := acquire(t, p, name)
		// nats.go tells of the connection later: what is set before would be overwritten.
		eventually.True(t, "it is connected", func() bool { st, _ := c.status.get(); return st.up })
		c.Release()
	}
	if got := p.Disconnected(); got != "" {
		t.Errorf("all are connected, and it says %q", got)
	}
	for _, name := range []string{"wayne", "acme", "initech"} {
		set(name, down("one"))
	}
	set("globex", func(st *state) { st.up, st.refusal = false, errors.New("refused") })
	got := p.Disconnected()
	if !strings.HasPrefix(got, "tenant acme and 2 more: no connection to a broker: ") || strings.Count(got, "tenant ") != 1 {
		t.Errorf("it says %q", got)
	}
	set("umbrella", down("two"))
	if got := p.Disconnected(); !strings.Contains(got, "; tenant umbrella: no connection to a broker: ") {
		t.Errorf("it says %q", got)
	}
	for i, name := range names {
		set(name, down(fmt.Sprint("reason ", i)))
	}
	if got := p.Disconnected(); strings.Count(got, "no connection to a broker") != maxReasons {
		t.Errorf("it says more than %d reasons: %q", maxReasons, got)
	}
	for _, name := range names {
		set(name, func(st *state) { st.up, st.failure = true, nil })
	}
	if got := p.Disconnected(); got != "" {
		t.Errorf("all are back, and it says %q", got)
	}
}
