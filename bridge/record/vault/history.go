package vault

import (
	"reflect"

	"github.com/fairlead-io/fairlead/bridge/record"
)

// history is what the messages about one recording say. Its bridge publishes one before
// the session and one after it. The first comes before anybody else knows the id, so it is
// the bridge's. Of two that tell different ends nobody knows which is: whoever has a
// bridge's key may write at any time, but cannot remove what the bridge has written.
type history struct {
	entry   record.Entry
	deleted bool // there was no session
}

// add adds a later message.
func (h *history) add(e record.Entry, deleted bool) {
	first := h.entry
	told := first
	told.End, told.Bytes, told.SHA256, told.Reason, told.Interrupted = e.End, e.Bytes, e.SHA256, e.Reason, e.Interrupted
	told.Conflict = false
	foreign := !reflect.DeepEqual(told, e) // who, where and what are not those of the first
	switch {
	case deleted:
		h.deleted = true
	case first.End.IsZero() && !e.End.IsZero():
		h.entry = told
	default: // a second beginning or end, which bridges do not write
		foreign = foreign || !same(first, e)
	}
	h.entry.Conflict = first.Conflict || foreign
}

// same reports whether two messages tell the same end.
func same(a, b record.Entry) bool {
	return a.End.Equal(b.End) && a.Bytes == b.Bytes && a.SHA256 == b.SHA256 && a.Reason == b.Reason && a.Interrupted == b.Interrupted
}
