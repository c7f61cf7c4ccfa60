package bridge

import (
	"context"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record/wire"
)

// forward follows a port-forward, so that its event has the ports. It ends nothing and
// keeps nothing back. It implements [tunnel.Tap].
type forward struct{ ports *wire.Ports }

// forwarding returns what follows the request if it is a port-forward whose events are
// written; nil: it is not.
func forwarding(rec *answer.Record, a *access.Admission) *forward {
	if rec.Trail == nil {
		return nil
	}
	info, err := a.Info()
	if err != nil || !info.IsResource || info.Resource != "pods" || info.Subresource != "portforward" {
		return nil
	}
	return &forward{}
}

// Sent implements [tunnel.Tap].
func (f *forward) Sent() {}

// NotSwitched implements [tunnel.Tap].
func (f *forward) NotSwitched(error) {}

// Switched implements [tunnel.Tap].
func (f *forward) Switched(protocol string, header http.Header) error {
	f.ports = wire.NewPorts(protocol, header)
	return nil
}

// FromClient implements [tunnel.Tap].
func (f *forward) FromClient(b []byte) error {
	if f.ports != nil {
		f.ports.FromClient(b)
	}
	return nil
}

// ToClient implements [tunnel.Tap].
func (f *forward) ToClient(b []byte) (int, error) { return len(b), nil }

// Failed implements [tunnel.Tap].
func (f *forward) Failed() context.Context { return context.Background() }

// Farewell implements [tunnel.Tap].
func (f *forward) Farewell(string) []byte { return nil }

// note notes the ports in rec, when the connection has ended.
func (f *forward) note(rec *answer.Record) {
	if f.ports == nil {
		return
	}
	all := false
	if rec.Ports, all = f.ports.List(); !all {
		rec.Notes = append(rec.Notes, answer.Note{Key: "ports", Value: "incomplete"})
	}
}
