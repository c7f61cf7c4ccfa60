package crowd

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// killSome kills agents without a goodbye, and measures how long each is still called
// connected.
func (c *city) killSome(n int) {
	c.t.Helper()
	for _, m := range c.agents[:n] {
		m.killed = true
	}
	began := time.Now()
	c.killMarked()
	c.t.Logf("%d agents are killed within %v", n, time.Since(began).Round(time.Millisecond))
	late := c.noticed(c.agents[:n])
	worst := slices.Max(late)
	c.t.Logf("of %d killed agents the bridge knows after a median of %v, and of each after %v",
		n, median(late).Round(10*time.Millisecond), worst.Round(10*time.Millisecond))
	if worst > aimRight {
		c.t.Errorf("the bridge knows of a killed agent after %v, want at most %v", worst, aimRight)
	}
	c.right("about all others once it knows of those that were killed", time.Now())
}

// noticed waits until the bridge says of each of the killed agents that it is not connected,
// and returns how long after its end. It asks for the clusters in the states that they come
// to, one after the other: lists of all, one upon the other, would take the cores from what
// is measured, and be as far apart as each takes.
func (c *city) noticed(killed []*member) (late []time.Duration) {
	c.t.Helper()
	left := make(map[string]time.Time, len(killed))
	for _, m := range killed {
		left[m.cluster] = m.left
	}
	eventually.Within(c.t, time.Minute, "the bridge knows of all that were killed", func() error {
		for _, state := range []string{"reconnecting", "offline"} {
			list, err := c.clients[0].Clusters(c.t.Context(), client.ClusterFilter{Tenant: "acme", State: state})
			if err != nil {
				return err
			}
			now := time.Now()
			for i := range list.Clusters {
				if since, ok := left[list.Clusters[i].Name]; ok {
					late = append(late, now.Sub(since))
					delete(left, list.Clusters[i].Name)
				}
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d of %d are still called connected", len(left), len(killed))
		}
		return nil
	})
	return late
}
