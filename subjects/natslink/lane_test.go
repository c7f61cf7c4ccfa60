package natslink

import (
	"fmt"
	"net"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// byLane makes requests until they pass nats.go on neither side, by the counts of
// messages that it keeps.
func byLane(t *testing.T, b *Bridge, a *Agent, when string) {
	t.Helper()
	count := func(nc *nats.Conn) uint64 { s := nc.Stats(); return s.InMsgs + s.OutMsgs }
	const requests = 20
	eventually.True(t, "frames go by the lane "+when, func() bool {
		bridge, agent := count(b.nc), count(a.nc.Load())
		for i := range requests {
			if err := post(t.Context(), b, fmt.Sprint(when, i)); err != nil {
				t.Fatal(err)
			}
		}
		return count(b.nc)-bridge < requests && count(a.nc.Load())-agent < requests // presence is nats.go's
	})
}

// TestFramesGoByTheLane: over TCP and in the process, on a new connection, after it was lost and
// after a move.
func TestFramesGoByTheLane(t *testing.T) {
	srv := startServer(t, 0)
	b, a, _ := start(t, srv.ClientURL(), echo)
	byLane(t, b, a, "at first")
	port := srv.Addr().(*net.TCPAddr).Port
	stopServer(srv)
	srv = startServer(t, port)
	defer func() { stopServer(srv) }()
	byLane(t, b, a, "after a restart")
	old := a.nc.Load()
	if err := a.Move(once(t, srv.ClientURL())); err != nil {
		t.Fatal(err)
	}
	old.Close()
	byLane(t, b, a, "after a move")

	o := options()
	o.InProcess = srv
	inside, err := NewBridge(connect(t, o), BridgeConfig{ID: "b2"})
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	byLane(t, inside, a, "in the process")
}

// TestWithoutLane: where nats.go does TLS there is no lane, and everything goes by nats.go.
func TestWithoutLane(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, err := NewBridge(connect(t, options(srv.ClientURL())), BridgeConfig{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := NewAgent(connect(t, options(srv.ClientURL())), agentConfig(echo))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if lane.Of(b.nc) != nil || lane.Of(a.nc.Load()) != nil {
		t.Error("there is a lane")
	}
	for i := range 20 {
		if err := post(t.Context(), b, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.nc.Load().Stats().InMsgs; n < 20 {
		t.Errorf("nats.go counts %d messages", n)
	}
}
