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

// patient returns a connection whose directory takes no silence for an end, and forgets nobody.
func patient(t *testing.T) *Conn {
	t.Helper()
	c := acquire(t, newPool(t, natstest.Start(t, "acme"), func(c *Config) { c.Directory.PeerTimeout, c.Directory.ReconnectGrace = time.Hour, time.Hour }), "acme")
	t.Cleanup(c.Release)
	return c
}

// TestThousandsAreChecked: where the agents of thousands of clusters are gone at the same time,
// the first question of each tells it.
func TestThousandsAreChecked(t *testing.T) {
	c := patient(t)
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

// TestOneCheckAtATime: what is to be asked while earlier questions are still being sent is not
// asked, and is to be asked again.
func TestOneCheckAtATime(t *testing.T) {
	c := patient(t)
	const long = 200 * time.Millisecond
	silent := func() []directory.Silence {
		ask, _ := c.Directory().Silent(long)
		return ask
	}
	c.Directory().Presence("prod", "a1", &subjects.Presence{Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp})
	var ask []directory.Silence
	eventually.True(t, "the instance is silent", func() bool { ask = silent(); return len(ask) == 1 })
	c.checking.Store(true)
	c.Check(ask)
	if again := silent(); len(again) != 1 {
		t.Errorf("%v is to be asked, want the one that was not", again)
	}
	c.checking.Store(false)
	c.Check(ask)
	eventually.True(t, "the directory knows that it is gone", func() bool { return c.Directory().Cluster("prod").State == directory.Reconnecting })
	eventually.True(t, "the next may follow", func() bool { return !c.checking.Load() })
}
