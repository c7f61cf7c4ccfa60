package natslink

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
)

// settleInterval is how long after a presence on a new connection it is sent again,
// settlings times. When a node of the broker is lost, agents and bridges come back to the
// others at the same time. The first presence is lost if it passes a node that does not yet
// know of a bridge's new subscription: the bridge would have to wait for a heartbeat. It
// comes back within a second, as agents do, and 10,000 agents send 20,000 small messages
// more, as they come back.
const (
	settleInterval = time.Second
	settlings      = 2
)

// arrived has the presence sent on a new connection, and the round trip measured, which
// the next presence tells. It does not wait.
func (a *Agent) arrived() {
	for _, to := range []chan struct{}{a.fresh, a.unmeasured} {
		select {
		case to <- struct{}{}:
		default:
		}
	}
}

// Announce has the presence sent now. It does not wait.
func (a *Agent) Announce() {
	select {
	case a.announce <- struct{}{}:
	default:
	}
}

// heartbeat sends the presence at intervals and when Announce asks for it.
func (a *Agent) heartbeat() {
	t := time.NewTicker(subjects.HeartbeatInterval)
	defer t.Stop()
	again := 0 // how often it is sent once more because the connection is new
	for {
		select {
		case <-t.C:
			again = max(again-1, 0)
		case <-a.announce:
		case <-a.fresh:
			again = settlings
		case <-a.done:
			return
		}
		if again > 0 {
			t.Reset(settleInterval)
		} else {
			t.Reset(subjects.HeartbeatInterval)
		}
		a.sendPresence(a.nc.Load())
	}
}

func (a *Agent) sendPresence(nc *nats.Conn) {
	p := a.cfg.Presence()
	p.Protocol = [2]int{subjects.MinVersion, subjects.Version}
	p.State = a.state.Load().(subjects.PresenceState)
	p.Streams = a.ep.Streams()
	a.path.describe(p.Detail, nc)
	b, err := subjects.AppendPresence(nil, &p)
	if err != nil {
		a.cfg.Logger.Error("presence not sent", "error", err)
		return
	}
	// If the connection is down, presence is sent when it is back.
	_ = nc.Publish(subjects.UpAll(a.cfg.Cluster, a.cfg.Instance), b)
}
