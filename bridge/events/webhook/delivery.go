package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

const (
	// pageSize is how many events are in memory for a webhook.
	pageSize = 100
	// saveTimeout bounds one write of the cursor. The last one must be over within the 3 s
	// that a lease leaves its holder, as must the wait for the last answer before it.
	saveTimeout = 2 * time.Second
	// idleSave is how often the cursor is written where events pass that the webhook does not
	// get, so that nobody looks at all of them again.
	idleSave = time.Minute
)

// times are the durations of a delivery; tests have shorter ones.
type times struct {
	// least and most are the pauses after the first refusal, and after many.
	least, most time.Duration
	// keep is how long after it happened an event is sent at most.
	keep time.Duration
	// unfit is how long an event is sent whose content the receiver refuses: it must not hold
	// up those that follow for as long as a receiver that is away.
	unfit time.Duration
	// save is how often the cursor is written while there is much to send: what was sent
	// since is sent again if the bridge is killed.
	save time.Duration
	// retry is the pause after the store could not be used.
	retry time.Duration
	// answer is how long after the end an answer is waited for: an event that the receiver
	// accepts meanwhile is not sent again. Most receivers answer in less.
	answer time.Duration
}

var production = times{least: 2 * time.Second, most: 5 * time.Minute, keep: 24 * time.Hour, unfit: time.Hour, save: time.Second, retry: time.Second, answer: 500 * time.Millisecond}

// delivery sends events to a webhook while this bridge has its lease. It is of one goroutine.
type delivery struct {
	*runner
	cursor  cursor
	saved   time.Time     // when the cursor was written
	dirty   bool          // an event was sent since
	last    *events.Event // that was sent; nil: the cursor knows it
	failing bool          // the last request was not accepted
	expired int           // events that were given up since one was accepted
}

// run sends until ctx ends or another bridge has written the cursor.
func (d *delivery) run(ctx context.Context) {
	heard, stop := d.log.Subscribe()
	defer stop()
	if !d.begin(ctx) {
		return
	}
	defer d.finish(ctx)
	for {
		more, ok := d.page(ctx)
		if !ok {
			return
		}
		var retry <-chan time.Time
		switch {
		case more:
			continue
		case d.dirty:
			retry = time.After(d.times.retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-heard:
		case <-retry:
		}
	}
}

// begin reads the cursor. A webhook that has none gets what happens from now on. It returns
// false if ctx has ended.
func (d *delivery) begin(ctx context.Context) bool {
	for ctx.Err() == nil {
		found, err := d.cursor.load(ctx)
		if err == nil && !found {
			if d.cursor.value.After, err = d.log.End(ctx); err == nil {
				err = d.save(ctx)
			}
		}
		if err == nil {
			return true
		}
		sleep.For(ctx, d.times.retry)
	}
	return false
}

// page sends the next events. more says that others follow at once, or may; ok is false if
// this bridge must not go on.
func (d *delivery) page(ctx context.Context) (more, ok bool) {
	p, err := d.log.Read(ctx, d.cursor.value.After, d.target.Load().filter(), pageSize)
	switch {
	case ctx.Err() != nil:
		return false, false
	case errors.Is(err, events.ErrPosition): // the cursor is not one, as if there were none
		d.cursor.value.After = ""
		return true, true
	case err != nil:
		return true, sleep.For(ctx, d.times.retry)
	}
	if p.Reset {
		now, moved, err := d.log.Moved(ctx, d.cursor.value.Event, d.cursor.value.is)
		switch {
		case err != nil:
			return true, sleep.For(ctx, d.times.retry)
		case moved:
			d.logger.Info("the events were moved to other brokers; the webhook goes on where it was")
			d.cursor.value.After, d.cursor.value.Event = now, now
			return true, true
		}
		d.logger.Warn("events after the last one that was sent are no longer kept, or are of another log: what is kept and is less than a day old is sent")
	}
	for i := range p.Events {
		if !d.deliver(ctx, &p.Events[i]) {
			return false, false
		}
		d.cursor.value.After, d.last = p.Events[i].ID, &p.Events[i]
		if ctx.Err() != nil {
			return false, false // finish writes the cursor
		}
		if d.dirty && time.Since(d.saved) >= d.times.save && d.overtaken(ctx) {
			return false, false
		}
	}
	moved := d.cursor.value.After != p.Next
	d.cursor.value.After = p.Next
	due := d.dirty && !p.More || moved && time.Since(d.saved) >= idleSave
	return p.More, !due || !d.overtaken(ctx)
}

// overtaken writes the cursor, and reports whether another bridge has.
func (d *delivery) overtaken(ctx context.Context) bool {
	err := d.save(ctx)
	if errors.Is(err, kv.ErrConflict) {
		d.logger.Error("another bridge sends to the webhook as well, and goes on alone", "error", err)
		return true
	}
	return false // what is not written now is written later
}

func (d *delivery) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if newest := d.log.Recent(&events.Filter{}, 1); len(newest) == 1 && newest[0].ID == d.cursor.value.After {
		d.last = &newest[0]
	}
	if d.last != nil {
		d.cursor.value.knows(d.last)
		d.last = nil
	}
	err := d.cursor.save(ctx)
	if err == nil {
		d.saved, d.dirty = time.Now(), false
	}
	return err
}

// finish writes the cursor for whoever is next.
func (d *delivery) finish(ctx context.Context) {
	d.counts.oldest.Store(0)
	if d.dirty {
		_ = d.save(context.WithoutCancel(ctx)) // otherwise what was sent is sent again
	}
}

// deliver sends an event until it is accepted or given up. It returns false if ctx has ended
// before, and what is on its way is not accepted soon after.
func (d *delivery) deliver(ctx context.Context, e *events.Event) bool {
	began := time.Now()
	until := e.Time.Add(d.times.keep)
	if e.Time.After(began) { // by a clock that is ahead
		until = began.Add(d.times.keep)
	}
	pause := d.times.least
	for {
		t := d.target.Load()
		if !t.matches(e) {
			return true
		}
		if !time.Now().Before(until) {
			d.giveUp(e)
			return true
		}
		d.counts.oldest.Store(e.Time.UnixNano())
		err := d.post(ctx, t, e)
		if err == nil {
			d.accepted(t)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.refused(t, err)
		if err.unfit && time.Since(began) >= d.times.unfit {
			d.giveUp(e)
			return true
		}
		wait := time.NewTimer(max(jitter(pause), err.after))
		select {
		case <-ctx.Done():
		case <-wait.C:
			pause = min(2*pause, d.times.most)
		case <-d.changed:
			pause = d.times.least
		}
		wait.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// post sends an event once. The end of ctx leaves some time for the answer.
func (d *delivery) post(ctx context.Context, t *target, e *events.Event) *refusal {
	if err := ctx.Err(); err != nil {
		return &refusal{error: err}
	}
	attempt, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(d.times.answer, cancel) })()
	return t.post(attempt, e)
}

// jitter makes a pause a quarter shorter or longer: many webhooks may have one receiver.
func jitter(d time.Duration) time.Duration { return d - d/4 + rand.N(d/2) }
