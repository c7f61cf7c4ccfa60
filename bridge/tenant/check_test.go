package tenant

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestThousandsAreChecked: where the agents of thousands of clusters are gone at the same time,
// the first question of each tells it.
func TestThousandsAreChecked(t *testing.T) {
	s := natstest.Start(t, "acme")
	// Their silence does not, and they are not forgotten.
	c := acquire(t, newPool(t, s, func(c *Config) { c.Directory.PeerTimeout, c.Directory.ReconnectGrace = time.Hour, time.Hour }), "acme")
	defer c.Release()
	all := make([]directory.Silence, 5*maxAsking)
	for i := range all {
		all[i] = directory.Silence{Cluster: fmt.Sprintf("c%d", i), Instance: "a1"}
		c.Directory().Presence(all[i].Cluster, "a1", &subjects.Presence{Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp})
	}
	eventually.True(t, "the connection is up", c.nc.IsConnected)
	c.Check(all)
	eventually.Within(t, 30*time.Second, "the directory knows that all are gone", func() error {
		for _, s := range all {
			if state := c.Directory().Cluster(s.Cluster).State; state != directory.Reconnecting {
				return fmt.Errorf("%s is %s", s.Cluster, state)
			}
		}
		return nil
	})
}
