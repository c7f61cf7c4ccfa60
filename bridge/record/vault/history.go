package vault

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/record"
)

// history is what the bridge of one recording has said about it: one message before the
// session and one after it. Messages that it did not seal do not count, and are told.
type history struct {
	entry   record.Entry
	deleted bool // there was no session
}

// histories are those of all recordings.
type histories struct {
	order   []*history
	known   map[string]*history
	foreign map[string]bool // ids about which others than their bridge have written
}

func newHistories() *histories {
	return &histories{known: map[string]*history{}, foreign: map[string]bool{}}
}

// add adds a message.
func (all *histories) add(m *jetstream.RawStreamMsg) {
	e, deleted, ok := parse(m.Data)
	if !ok || m.Subject != metaSubject(e.File) {
		return
	}
	if _, _, sealed := unseal(m.Header, m.Data, keyOf(&e), about, e.ID); !sealed {
		all.foreign[e.ID] = true
		return
	}
	h := all.known[e.ID]
	if h == nil {
		h = &history{}
		all.known[e.ID], all.order = h, append(all.order, h)
	}
	h.deleted = h.deleted || deleted
	if h.entry.ID == "" || !e.End.IsZero() { // a message that is sent again says nothing new
		h.entry = e
	}
}

// sessions returns what is listed.
func (all *histories) sessions() []record.Entry {
	var list []record.Entry
	for _, h := range all.order {
		h.entry.Foreign = all.foreign[h.entry.ID]
		if !h.deleted {
			list = append(list, h.entry)
		}
	}
	return list
}

// interrupt says of a session without an end that its bridge is gone, if nothing was
// heard of that since last.
func interrupt(e *record.Entry, last, now time.Time) {
	if now.Sub(last) > goneAfter {
		e.Interrupted, e.End = true, last
	}
}
