package events

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// farReaders is how many pages a bridge reads from the store at a time: callers who come
	// back together after an outage must not take the brokers from everything else.
	farReaders = 8
	// farTimeout bounds a page from the store: docs/events.md promises an answer by then. It may
	// wait for turnTimeout of it until fewer are read; then as much is left to read.
	farTimeout  = 10 * time.Second
	turnTimeout = farTimeout / 2
	// farEvents is how many events are looked at for a page, whether it has them or not.
	farEvents = 2048
)

// Read implements [Log]. What is newer than the last 1,024 events is answered from memory,
// so that callers who follow the log cost the brokers nothing. Errors of the store wrap
// [store.ErrUnavailable].
func (d *Durable) Read(ctx context.Context, after string, f *Filter, most int) (Page, error) {
	at, err := parsePosition(after)
	if err != nil {
		return Page{}, err
	}
	end := d.ring.position()
	if end.epoch == 0 {
		return Page{}, d.unread()
	}
	reset := false
	if at.epoch != end.epoch {
		reset = after != ""
		at = position{epoch: end.epoch}
	}
	if p, ok := d.ring.read(at, f, most); ok {
		p.Reset = reset
		return p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, farTimeout)
	defer cancel()
	leave, err := d.turn(ctx)
	if err != nil {
		return Page{}, err
	}
	defer leave()
	observed := d.store.Observe(store.ReadEvents)
	p, err := d.readFar(ctx, at, f, most)
	observed(err)
	p.Reset = p.Reset && after != "" || reset
	return p, err
}

// turn waits for a place among those who read from the store; leave gives it back.
func (d *Durable) turn(ctx context.Context) (leave func(), err error) {
	late := time.NewTimer(turnTimeout)
	defer late.Stop()
	select {
	case d.far <- struct{}{}:
		return func() { <-d.far }, nil
	case <-late.C:
		return nil, fmt.Errorf("%w: %d pages of events are being read from it, and no other one had its turn within %v", store.ErrUnavailable, farReaders, turnTimeout)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readFar reads a page from the store.
func (d *Durable) readFar(ctx context.Context, at position, f *Filter, most int) (p Page, err error) {
	info, err := d.look(ctx)
	if err != nil {
		return Page{}, err
	}
	if epochOf(info) != at.epoch {
		return Page{}, d.unread() // the ring is about to be told
	}
	// Another bridge may have read more than this one, but not more than there is.
	if p.Reset = at.sequence < before(info.State.FirstSeq) || at.sequence > info.State.LastSeq; p.Reset {
		at.sequence = 0
	}
	subject, n := f.subject()
	p.More = true
	for looked := 0; looked < farEvents && len(p.Events) < most; {
		messages, err := d.get(ctx, at.sequence+1, subject, n)
		if err != nil {
			return Page{}, err
		}
		if len(messages) == 0 {
			// Nothing is between there and the end, as it was then.
			at.sequence = max(at.sequence, info.State.LastSeq)
			p.More = d.ring.position().sequence > at.sequence
			break
		}
		looked += len(messages)
		for _, m := range messages {
			if len(p.Events) == most {
				break
			}
			e := decode(m)
			e.ID = position{at.epoch, m.Sequence}.String()
			if at.sequence = m.Sequence; f.Matches(&e) {
				p.Events = append(p.Events, e)
			}
		}
	}
	p.Next = at.String()
	return p, nil
}

// Moved implements [Log].
func (d *Durable) Moved(ctx context.Context, id string, is func(*Event) bool) (now string, found bool, err error) {
	at, err := parsePosition(id)
	end := d.ring.position()
	switch {
	case err != nil:
		return "", false, err
	case end.epoch == 0:
		return "", false, d.unread()
	case at.epoch == end.epoch || at.sequence == 0:
		return "", false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, farTimeout)
	defer cancel()
	messages, err := d.get(ctx, at.sequence, subjects.StoreEventsPrefix+">", 1)
	if err != nil || len(messages) == 0 || messages[0].Sequence != at.sequence {
		return "", false, err
	}
	e := decode(messages[0])
	return position{end.epoch, at.sequence}.String(), is(&e), nil
}

// subject is that of the filter's events, and how many of the stream's are asked for at a
// time: of those of one subject few are beside each other.
func (f *Filter) subject() (subject string, n int) {
	switch {
	case len(f.Clusters) == 1:
		return subjects.StoreEventsPrefix + f.Clusters[0].Tenant + "." + f.Clusters[0].Cluster, 1
	case f.Tenant != "" && subjects.CheckName(f.Tenant) == nil:
		return subjects.StoreEventsPrefix + f.Tenant + ".*", 1
	}
	return subjects.StoreEventsPrefix + ">", readers
}
