package tenant

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestRoleWithoutWebSocket: a broker refuses a bridge by WebSocket whose role an older
// version made as it refuses a wrong key. The refusal says so, and what renews the role;
// over TCP, where the same account works, a wrong key is not explained by it.
func TestRoleWithoutWebSocket(t *testing.T) {
	s := natstest.Start(t, "acme")
	s.MintOlder(t, "globex")()
	wrong := natstest.Start(t, "acme") // its bridge key is in no account of s
	refused := func(tenant string, change func(*Config)) *cause.Failure {
		t.Helper()
		c := acquire(t, newPool(t, s, change), tenant)
		defer c.Release()
		eventually.True(t, "the refusal", func() bool { return c.Refusal() != nil })
		return cause.Of(c.Refusal())
	}
	f := refused("globex", func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, s.WebsocketURL()) })
	if f.Cause != cause.UnknownAccount || !strings.Contains(f.Got, "role bridge there allows no WebSocket") || !strings.Contains(f.Cure(), "'fairlead-broker tenant update'") {
		t.Errorf("%s", f.Full())
	}
	c := acquire(t, newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, s.Broker(t) }), "globex")
	defer c.Release()
	eventually.True(t, "the connection over TCP", func() bool { st, _ := c.status.get(); return st.up })
	f = refused("acme", func(c *Config) { c.Key, c.InProcess, c.Broker = wrong.BridgeKey, nil, s.Broker(t) })
	if strings.Contains(f.Full(), "WebSocket") {
		t.Errorf("over TCP: %s", f.Full())
	}
}
