package natslink

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
)

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
	for {
		select {
		case <-t.C:
		case <-a.announce:
		case <-a.done:
			return
		}
		t.Reset(subjects.HeartbeatInterval)
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
