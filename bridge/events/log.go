package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/subjects"
)

// Bounds of the texts of an event, in bytes. Longer ones are cut.
const (
	maxDetail = 1024
	maxWord   = 128 // instance, operation, cause
	maxDedupe = 256
)

var (
	// ErrEvent is wrapped where an event is not one: it has no known type, or names no
	// cluster.
	ErrEvent = errors.New("not an event")
	// ErrPosition is wrapped where a text is not a position in a log.
	ErrPosition = errors.New("not the id of an event")
)

// Log is what happened to clusters, in order. It is safe for concurrent use.
type Log interface {
	// Append adds an event, whose ID and Name the log sets; its Time is now if it is zero.
	// It does not wait until the event is kept. Events of one caller are kept in the
	// order in which they were appended.
	//
	// dedupe names what has happened: of the events of a type and cluster with the same,
	// appended by all bridges within two minutes, the log keeps one. "" keeps each. The
	// error wraps [ErrEvent].
	Append(ctx context.Context, e Event, dedupe string) error
	// Read returns the events after a position: an event's ID, the Next of a page, or ""
	// for the oldest that is kept. It returns at most max events, and perhaps fewer or
	// none although more follow: see [Page.More]. It does not wait for new ones.
	Read(ctx context.Context, after string, f *Filter, max int) (Page, error)
	// Recent returns at most max of the newest events, newest first. It looks at the last
	// 1,024 of the log only, which are in memory, and asks nobody.
	Recent(f *Filter, max int) []Event
	// Moved returns where an event is now whose ID is of another log: the events of that one
	// may have been moved here, as to other brokers, where they have other IDs and the same
	// numbers. is tells whether an event is the one; found is false if it is not here.
	Moved(ctx context.Context, id string, is func(*Event) bool) (now string, found bool, err error)
	// End is the position of the newest event.
	End(ctx context.Context) (string, error)
	// Subscribe returns a channel that can be received from once something may have been
	// added since it was last received from. stop must be called.
	Subscribe() (heard <-chan struct{}, stop func())
}

// Page is what a read found.
type Page struct {
	Events []Event
	// Next is the position to read on from.
	Next string
	// More says that there may be more now. Otherwise [Log.Subscribe] says when.
	More bool
	// Reset says that what followed the position is no longer kept, or that the position
	// is of another log: the events are the oldest that are kept.
	Reset bool
}

// Filter says which events are read. The zero value is all.
type Filter struct {
	// Tenant is the only one; "": any.
	Tenant string
	// Clusters are the only ones; empty: any.
	Clusters []subjects.ClusterRef
	// Types are the only ones; empty: any.
	Types []Type
}

// Matches reports whether an event is one of the filter's.
func (f *Filter) Matches(e *Event) bool {
	return (f.Tenant == "" || e.Tenant == f.Tenant) &&
		(len(f.Clusters) == 0 || slices.Contains(f.Clusters, subjects.ClusterRef{Tenant: e.Tenant, Cluster: e.Cluster})) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type))
}

// prepare checks an event and bounds its texts.
func prepare(e Event, now time.Time) (Event, error) {
	if !Known(e.Type) {
		return Event{}, errors.Join(ErrEvent, errors.New("unknown type "+clean(string(e.Type), maxWord)))
	}
	for _, name := range []string{e.Tenant, e.Cluster} {
		if err := subjects.CheckName(name); err != nil {
			return Event{}, errors.Join(ErrEvent, err)
		}
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	return bounded(e), nil
}

// bounded returns an event with bounded texts, and without an ID.
func bounded(e Event) Event {
	e.Time = e.Time.UTC()
	e.ID, e.Name = "", subjects.ClusterRef{Tenant: e.Tenant, Cluster: e.Cluster}.String()
	e.Type = Type(clean(string(e.Type), maxWord))
	e.Instance, e.Operation, e.Cause = clean(e.Instance, maxWord), clean(e.Operation, maxWord), clean(e.Cause, maxWord)
	e.Detail = clean(e.Detail, maxDetail)
	return e
}

// clean makes a text one line of at most n bytes of valid UTF-8: agents have a say in it.
func clean(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError:
			return '?'
		case unicode.IsControl(c), c == '\u2028', c == '\u2029':
			return ' '
		}
		return c
	}, s)
	if len(s) <= n {
		return s
	}
	s = s[:n-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
