package events

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// flushTimeout is how long a bridge that stops still writes: a part of what an
	// orchestrator leaves it.
	flushTimeout = 3 * time.Second
	// retryInterval is the pause after a batch that was not written whole.
	retryInterval = time.Second
)

// write writes what is appended, until ctx ends.
func (d *Durable) write(ctx context.Context) {
	for failing := false; ; {
		select {
		case <-ctx.Done():
			d.flush()
			return
		case <-d.queue.ready:
		}
		for d.queue.len() > 0 && ctx.Err() == nil {
			err := d.writeBatch(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil && !failing:
				d.log.Warn("events are not written now; they wait in memory", "error", err)
			case err == nil && failing:
				d.log.Info("events are written again")
			}
			if failing = err != nil; failing {
				sleep.For(ctx, retryInterval)
			}
		}
	}
}

// flush writes what waits, as long as that works.
func (d *Durable) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	var err error
	for err == nil && d.queue.len() > 0 {
		err = d.writeBatch(ctx)
	}
	if n := d.queue.len(); n > 0 {
		d.metrics.lost.Add(float64(n))
		d.log.Error("the bridge stops, and events were not written", "events", n, "error", err)
	}
}

// writeBatch writes the first events, and returns why some of them still wait.
func (d *Durable) writeBatch(ctx context.Context) (failed error) {
	if _, err := d.open(ctx); err != nil {
		return err
	}
	batch := d.queue.batch()
	var mu sync.Mutex
	var all sync.WaitGroup
	done := make(map[*pending]bool, len(batch))
	for _, p := range batch {
		all.Go(func() {
			refused, err := d.publish(ctx, p)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done[p] = true
			case refused:
				done[p] = true
				d.metrics.lost.Add(float64(max(p.lost, 1)))
				d.log.Error("the shared store refuses an event", "cluster", p.cluster.String(), "error", err)
			default:
				failed = err
			}
		})
	}
	all.Wait()
	d.queue.settle(batch, done)
	return failed
}

// publish writes one event. One that is written twice has the same id, so that the stream
// keeps one. refused says that it would never be taken.
func (d *Durable) publish(ctx context.Context, p *pending) (refused bool, err error) {
	subject := subjects.StoreEventsPrefix + p.cluster.Tenant + "." + p.cluster.Cluster
	observed := d.store.Observe(store.WriteEvent)
	asking, release := d.store.Asking(ctx, subject)
	defer release()
	_, err = d.store.JetStream().Publish(asking, subject, p.body(), jetstream.WithMsgID(p.id), jetstream.WithExpectStream(d.config.Name))
	_, answered := errors.AsType[*jetstream.APIError](err)
	if err != nil {
		d.forget()
		err = d.store.Failed(asking, err)
	}
	observed(err)
	return answered && !errors.Is(err, store.ErrUnavailable), err
}
