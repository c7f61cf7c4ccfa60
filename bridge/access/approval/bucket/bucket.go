package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// pollInterval is how often the stream is read where nothing is heard: a change at
	// another bridge takes effect within a second.
	pollInterval = 500 * time.Millisecond
	// hintInterval is the pause before the stream is read after a write was heard: until
	// then its leader has taken it, as a rule.
	hintInterval = 5 * time.Millisecond
	// hintedPolls is how often the stream is read in a row after a write was heard, with a
	// pause that doubles: a write that is replicated slowly.
	hintedPolls = 5
	// checkInterval is how often the stream itself is looked at: it may be another one.
	checkInterval = 5 * time.Second
	// confirmFor is for how long what was read counts without having been read again.
	confirmFor = time.Minute
)

// Bucket is an [approval.Store]. It is safe for concurrent use.
type Bucket struct {
	store   *store.Store
	log     *slog.Logger
	learner approval.Learner
	hint    chan struct{} // of capacity 1: somebody writes
	confirm time.Duration // confirmFor
	stop    context.CancelFunc
	ctx     context.Context
	ended   chan struct{} // closed when run has returned

	reading sync.Mutex // held while the stream is read; guards what follows
	stream  jetstream.Stream
	created time.Time // of the stream
	last    uint64    // the sequence up to which it was read
	checked time.Time // when the stream was looked at last

	telling sync.Mutex // held while the learner is told whether approvals are confirmed
	mu      sync.Mutex // guards what follows; held while the learner is told of a request
	places  places
	read    time.Time // when all of the stream was read last; zero: never
	failed  error     // why it could not be read since then
	doubt   bool      // the learner was told that nothing is confirmed
}

// New returns a store of approvals. [Bucket.Start] begins to read.
func New(s *store.Store, log *slog.Logger) *Bucket {
	b := &Bucket{store: s, log: log.With("part", "approvals"), hint: make(chan struct{}, 1), ended: make(chan struct{}), confirm: confirmFor, failed: errNotRead, doubt: true}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.places.forget()
	return b
}

var (
	errNotRead = errors.New("it has not been read yet")
	errReading = errors.New("there is so much that is new that it is still being read")
)

// Start implements [approval.Store]. It does not wait for the store.
func (b *Bucket) Start(l approval.Learner) error {
	b.learner = l
	_, err := b.store.Hint(subject("*"), func() {
		select {
		case b.hint <- struct{}{}:
		default:
		}
	})
	if err != nil {
		b.stop()
		close(b.ended)
		return err
	}
	go b.run()
	return nil
}

// Close implements [approval.Store].
func (b *Bucket) Close() {
	b.stop()
	if b.learner != nil {
		<-b.ended
	}
}

func subject(place string) string { return "$KV." + subjects.StoreApprovals + "." + place }

// Err implements [approval.Store].
func (b *Bucket) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err()
}

// Age implements [approval.Store].
func (b *Bucket) Age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read.IsZero() {
		return 0 // nothing is known, which Err says
	}
	return time.Since(b.read)
}

// err is [Bucket.Err]. The caller holds mu.
func (b *Bucket) err() error {
	switch {
	case b.read.IsZero():
		return fmt.Errorf("the bucket of approvals cannot be read: %w", b.failed)
	case time.Since(b.read) > b.confirm:
		why := b.failed
		if why == nil {
			why = errReading
		}
		return fmt.Errorf("the bucket of approvals could not be read for %v: %w", b.confirm, why)
	}
	return nil
}

// Put implements [approval.Store].
func (b *Bucket) Put(ctx context.Context, r, instead approval.Request) error {
	data, err := approval.Encode(r)
	if err != nil {
		return err
	}
	b.mu.Lock()
	i, revision, err := b.places.of(r, instead, time.Now())
	if failed := b.err(); failed != nil {
		err = failed
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	if err := b.store.Err(); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	connected, release := b.store.Connected(ctx)
	defer release()
	write, cancel := context.WithTimeout(connected, store.Timeout)
	defer cancel()
	done := b.store.Observe(store.WriteApproval)
	ack, err := b.store.JetStream().Publish(write, subject(key(i)), data, jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithExpectStream(subjects.StoreApprovalsStream))
	if store.Overtaken(err) {
		done(nil) // the store works
		if err := b.catchUp(connected, true); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		return approval.ErrChanged
	}
	err = lost(connected, err)
	done(err)
	if err != nil {
		why := b.store.Explain(err)
		if refused(err, why) {
			return fmt.Errorf("nothing was changed: the store refuses it: %w", why)
		}
		return fmt.Errorf("whether the change was kept is not known, look at the request before trying again: %w", why)
	}
	b.learn(i, ack.Sequence, r)
	return nil
}

// refused reports whether JetStream answered that it does not keep a message, as when the
// stream is full. why is what the error is explained by.
func refused(err, why error) bool {
	_, answered := errors.AsType[*jetstream.APIError](err)
	return answered && !store.Undecided(err) && !errors.Is(why, store.ErrUnavailable)
}

// learn takes over the version of a place, unless a later one is known. A request without
// an ID says that the place is free.
func (b *Bucket) learn(i int, revision uint64, r approval.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.Version = revision
	if instead, newer := b.places.set(i, r); newer {
		b.learner.Learn(r, instead)
	}
}
