package webhook

import "github.com/fairlead-io/fairlead/bridge/events"

// accepted notes that an event was accepted.
func (d *delivery) accepted(t *target) {
	d.counts.accepted.Add(1)
	d.counts.oldest.Store(0)
	d.dirty = true
	if d.failing || d.expired > 0 {
		d.logger.Info("the webhook accepts events again", "url", t.where(), "given_up", d.expired)
	}
	d.failing, d.expired = false, 0
}

// refused notes that an event was not accepted. Only the first time is logged.
func (d *delivery) refused(t *target, why *refusal) {
	d.counts.refused.Add(1)
	if !d.failing {
		d.logger.Warn("the webhook does not accept events; they are sent again for a day", "url", t.where(), "error", why.error)
	}
	d.failing = true
}

// giveUp notes that an event is not sent any more. Only the first one is logged.
func (d *delivery) giveUp(e *events.Event) {
	d.counts.givenUp.Add(1)
	d.counts.oldest.Store(0)
	d.dirty = true
	if d.expired == 0 {
		d.logger.Error("events that the webhook has not accepted are given up", "id", e.ID, "type", string(e.Type), "cluster", e.Name)
	}
	d.expired++
}
