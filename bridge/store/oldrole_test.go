package store

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestRoleWithoutWebSocket: the refusal of a bridge by WebSocket whose role store an older
// version made says what renews the role.
func TestRoleWithoutWebSocket(t *testing.T) {
	b := storetest.StartOlder(t, 1)
	failures := make(chan *cause.Failure, 100)
	open(t, b, func(c *Config) {
		c.Broker = natstest.Broker(t, b.Server(0).WebsocketURL())
		c.OnFailure = func(f *cause.Failure) {
			select {
			case failures <- f:
			default: // the first is enough
			}
		}
	})
	select {
	case f := <-failures:
		if f.Hop != cause.JWT || !strings.Contains(f.Got, "role store there allows no WebSocket") || !strings.Contains(f.Cure(), "'fairlead-broker store add'") {
			t.Errorf("%s", f.Full())
		}
	case <-t.Context().Done():
		t.Error("no failure")
	}
	b.Widen()
	s := open(t, b, func(c *Config) { c.Broker = natstest.Broker(t, b.Server(0).WebsocketURL()) })
	up(t, s)
}
