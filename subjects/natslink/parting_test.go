package natslink

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestCloseOnASilentPath: an agent whose path to the broker has gone silent
// stops within the time that it waits for the broker, however many
// subscriptions there are to drain.
func TestCloseOnASilentPath(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	path := startRelay(t, srv.Addr().String())
	a, err := NewAgent(once(t, path.url()), AgentConfig{
		Cluster: "prod", Instance: "a1", Stream: stream.Config{Handler: echo},
		Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Confirm(); err != nil {
		t.Fatal(err)
	}
	path.silence()
	began := time.Now()
	_ = a.Close()
	if took := time.Since(began); took > partingTimeout+time.Second {
		t.Errorf("Close took %v, want %v for all that it waits for", took, partingTimeout)
	}
}
