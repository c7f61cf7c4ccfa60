package events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// pollInterval is how often the log is read where nothing was heard.
	pollInterval = 2 * time.Second
	// hintInterval is the pause before it is read after a write was heard: by then the
	// stream's leader has taken it, as a rule. Each further pause is twice as long.
	hintInterval = 5 * time.Millisecond
	// hintedReads is how often it is read in a row for a write that was heard.
	hintedReads = 6
	// checkInterval is how often the stream itself is looked at: somebody may have removed
	// it, or put back an older one.
	checkInterval = 10 * time.Second
	// readers is how many events are asked for at a time.
	readers = 32
)

// tail reads what is new into the ring.
type tail struct {
	log     *Durable
	looked  time.Time
	failing bool
}

func (t *tail) run(ctx context.Context, heard <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	reads, pause := 0, pollInterval
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			if reads != hintedReads { // else it is read in a moment anyway
				reads, pause = hintedReads, hintInterval
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		observed := t.log.store.Observe(store.ReadEvents)
		found, err := t.read(ctx)
		observed(err)
		if ctx.Err() != nil {
			return
		}
		t.tell(err)
		if reads--; reads > 0 && !found {
			pause *= 2
		} else {
			reads, pause = 0, pollInterval
		}
		timer.Reset(pause)
	}
}

// tell logs when the log begins to be unreadable, and when it can be read again. Whoever
// asks meanwhile is told why.
func (t *tail) tell(err error) {
	t.log.mu.Lock()
	t.log.cannot = err
	t.log.mu.Unlock()
	switch {
	case err != nil && !t.failing:
		t.log.log.Warn("events of the shared store cannot be read now", "error", err)
	case err == nil && t.failing:
		t.log.log.Info("events of the shared store can be read again")
	}
	t.failing = err != nil
}

// read reads everything that is new.
func (t *tail) read(ctx context.Context) (found bool, err error) {
	if time.Since(t.looked) > checkInterval {
		if err := t.look(ctx); err != nil {
			return false, err
		}
	}
	for {
		at := t.log.ring.position()
		messages, err := t.log.get(ctx, at.sequence+1, subjects.StoreEventsPrefix+">", readers)
		if err != nil {
			t.looked = time.Time{}
			return found, err
		}
		for _, m := range messages {
			t.log.ring.add(decode(m), m.Sequence)
			found = true
		}
		if len(messages) == 0 {
			return found, nil
		}
	}
}

// look begins with the newest events if the stream is not the one that was read so far.
func (t *tail) look(ctx context.Context) error {
	info, err := t.log.look(ctx)
	if err != nil {
		return err
	}
	at := t.log.ring.position()
	epoch := epochOf(info)
	if at.epoch != epoch || info.State.LastSeq < at.sequence {
		after := uint64(0)
		if info.State.LastSeq > ringSize {
			after = info.State.LastSeq - ringSize
		}
		t.log.ring.reset(epoch, max(after, before(info.State.FirstSeq)))
	}
	t.looked = time.Now()
	return nil
}

// epochOf is that of a stream: one that was made again has another.
func epochOf(info *jetstream.StreamInfo) uint64 { return uint64(info.Created.UnixMilli()) }

// before is the sequence before another; 0 of none.
func before(sequence uint64) uint64 { return sequence - min(sequence, 1) }

// get returns the first messages of a subject from a sequence on, in order: up to n, and at
// least one if there is any.
func (d *Durable) get(ctx context.Context, from uint64, subject string, n int) ([]*jetstream.RawStreamMsg, error) {
	st, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, release := d.store.Asking(ctx, "$JS.API.STREAM.MSG.GET."+d.config.Name)
	defer release()
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		failed error
		found  []*jetstream.RawStreamMsg
		end    = uint64(math.MaxUint64) // nothing was there from here on when it was asked for
	)
	ask := func(sequence uint64) {
		m, err := st.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(subject))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			found = append(found, m)
		case errors.Is(err, jetstream.ErrMsgNotFound):
			end = min(end, sequence)
		default:
			failed = err
		}
	}
	// One answer says whether there is anything: most questions are asked in vain.
	if ask(from); len(found) > 0 {
		next := found[0].Sequence + 1
		for i := range n - 1 {
			all.Go(func() { ask(next + uint64(i)) })
		}
		all.Wait()
	}
	if failed != nil {
		d.forget()
		return nil, fmt.Errorf("stream %s: %w", d.config.Name, d.store.Failed(ctx, failed))
	}
	// What was written meanwhile is left for the next time: the one before it may be missing.
	found = slices.DeleteFunc(found, func(m *jetstream.RawStreamMsg) bool { return m.Sequence >= end })
	slices.SortFunc(found, func(a, b *jetstream.RawStreamMsg) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return slices.CompactFunc(found, func(a, b *jetstream.RawStreamMsg) bool { return a.Sequence == b.Sequence }), nil
}

// decode reads what is stored. Whose event it is, the subject says.
func decode(m *jetstream.RawStreamMsg) Event {
	var e Event
	if json.Unmarshal(m.Data, &e) != nil {
		e = Event{Time: m.Time}
	}
	e.Tenant, e.Cluster, _ = strings.Cut(strings.TrimPrefix(m.Subject, subjects.StoreEventsPrefix), ".")
	return bounded(e) // its type is perhaps one of a later version
}
