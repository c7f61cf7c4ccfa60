package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// Durable is the log of all bridges, in a stream of the shared store. It is safe for
// concurrent use. [Durable.Run] must run.
type Durable struct {
	store   *store.Store
	config  jetstream.StreamConfig
	log     *slog.Logger
	metrics *metrics

	queue queue
	ring  ring          // the newest events, once they were read
	far   chan struct{} // a place for each page that is read from the store

	mu     sync.Mutex
	stream jetstream.Stream // nil: not looked at yet, or not since something failed
	looked time.Time        // when it was
	cannot error            // why what is new could not be read last; nil: it could, or was not tried
}

// NewDurable returns the log of a store, whose stream is created when it is first needed.
func NewDurable(s *store.Store, log *slog.Logger) *Durable {
	d := &Durable{store: s, config: store.Events(), log: log.With("part", "events"), far: make(chan struct{}, farReaders)}
	d.queue.init()
	d.metrics = newMetrics(&d.queue)
	return d
}

// Append implements [Log]. While the store cannot be used, events are kept in memory, up to
// 8,192. If there are more, the oldest are given up, and an event of type events.lost takes
// the place of those of one cluster.
func (d *Durable) Append(_ context.Context, e Event, dedupe string) error {
	e, err := prepare(e, time.Now())
	if err != nil {
		return err
	}
	d.gaveUp(d.queue.add(newPending(&e, dedupe)))
	return nil
}

// gaveUp counts and logs events that are not kept.
func (d *Durable) gaveUp(n int) {
	if n == 0 {
		return
	}
	d.metrics.lost.Add(float64(n))
	if d.queue.overflows() {
		d.log.Error("events are given up, the oldest first: the shared store has taken none for too long", "kept", maxPending)
	}
}

// Run writes and reads the log until ctx ends. Then it writes what waits, for at most
// [flushTimeout].
func (d *Durable) Run(ctx context.Context) error {
	heard := make(chan struct{}, 1)
	stop, err := d.store.Hint(subjects.StoreEventsPrefix+">", func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		d.write(ctx)
	}()
	d.store.Started(ctx)
	t := &tail{log: d}
	t.run(ctx, heard)
	<-written
	return nil
}

// End implements [Log].
func (d *Durable) End(context.Context) (string, error) {
	if p := d.ring.position(); p.epoch != 0 {
		return p.String(), nil
	}
	return "", d.unread()
}

// unread is why the log was not read yet.
func (d *Durable) unread() error {
	if err := d.store.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	err := d.cannot
	d.mu.Unlock()
	switch {
	case err == nil:
		return fmt.Errorf("%w: its events were not read yet", store.ErrUnavailable)
	case errors.Is(err, store.ErrUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// look looks at the stream, and creates it if there is none.
func (d *Durable) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	st, err := d.store.Stream(ctx, d.config)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stream, d.looked = st, time.Now()
	return st.CachedInfo(), nil
}

// open returns the stream, at which it looks from time to time.
func (d *Durable) open(ctx context.Context) (jetstream.Stream, error) {
	d.mu.Lock()
	st := d.stream
	if time.Since(d.looked) > checkInterval {
		st = nil
	}
	d.mu.Unlock()
	if st != nil {
		return st, d.store.Err()
	}
	if _, err := d.look(ctx); err != nil {
		return nil, err
	}
	return d.open(ctx)
}

// forget makes the next call look at the stream again.
func (d *Durable) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stream = nil
}

// Recent implements [Log].
func (d *Durable) Recent(f *Filter, most int) []Event { return d.ring.recent(f, most) }

// Subscribe implements [Log].
func (d *Durable) Subscribe() (heard <-chan struct{}, stop func()) { return d.ring.subscribe() }
