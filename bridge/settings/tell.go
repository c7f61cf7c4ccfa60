package settings

import (
	"context"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
)

// tell appends the event that an instance has applied or refused a document. Every bridge
// that sees it does, so that one of them is kept.
func (d *Desk) tell(doc *stored, in *directory.InstanceSettings, s state) {
	e := api.Event{Tenant: doc.ref.Tenant, Cluster: doc.ref.Cluster, Instance: in.Name, Detail: "settings " + doc.revision}
	switch s {
	case api.SettingsApplied:
		e.Type = api.EventSettingsApplied
	case api.SettingsPartly:
		e.Type, e.Cause = api.EventSettingsApplied, string(s)
		e.Detail += ", but for what the owner has fixed: " + strings.Join(in.State.Overridden, ", ")
	case api.SettingsRefused:
		e.Type = api.EventSettingsRejected
		e.Detail += ": " + in.State.Error
	default:
		return
	}
	d.append(e, doc.revision+" "+in.Name)
}

// tellChange appends the event that a caller has changed the settings of a cluster.
func (d *Desk) tellChange(doc *stored) {
	what := "put"
	if doc.Deleted {
		what = "deleted"
	}
	d.append(api.Event{
		Type: api.EventSettingsChanged, Tenant: doc.ref.Tenant, Cluster: doc.ref.Cluster,
		Detail: "settings " + doc.revision + " " + what + " by " + doc.By,
	}, doc.revision)
}

func (d *Desk) append(e api.Event, dedupe string) {
	if d.cfg.Events == nil {
		return
	}
	if err := d.cfg.Events.Append(context.Background(), e, dedupe); err != nil {
		d.log.Warn("an event about settings was not kept", "type", e.Type, "error", err)
	}
}
