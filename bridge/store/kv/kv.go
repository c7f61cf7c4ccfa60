package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
)

var (
	// ErrNotFound is wrapped where a key has no value.
	ErrNotFound = errors.New("there is no such key")
	// ErrConflict is wrapped where a key has another revision than was expected.
	ErrConflict = errors.New("it was changed meanwhile")
	// ErrFull is wrapped where a bucket takes no more.
	ErrFull = errors.New("the bucket is full")
	// ErrUnknown is wrapped where a write may have been kept or not.
	ErrUnknown = errors.New("whether the change was kept is not known")
	// ErrKey is wrapped where a key cannot be one.
	ErrKey = errors.New("not a key of a bucket")
)

// checkInterval is how often the stream itself is looked at: somebody may have removed
// it, or put back an older one.
const checkInterval = 10 * time.Second

// Entry is a value.
type Entry struct {
	Key   string
	Value []byte
	// Revision grows with each write to the bucket.
	Revision uint64
	// Time is when the brokers took it, by their clocks.
	Time time.Time
}

// Bucket is safe for concurrent use.
type Bucket struct {
	store  *store.Store
	config jetstream.StreamConfig
	prefix string // of subjects, before the key

	mu     sync.Mutex
	stream jetstream.Stream // nil: not looked at yet
	looked time.Time        // when it was
}

// New returns the bucket that is kept in a stream, such as that of [store.Inventory]. It
// is created when it is first needed.
func New(s *store.Store, stream jetstream.StreamConfig) *Bucket {
	return &Bucket{store: s, config: stream, prefix: strings.TrimSuffix(stream.Subjects[0], ">")}
}

// Get returns the value of a key.
func (b *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	if err := checkKey(key); err != nil {
		return Entry{}, err
	}
	done := b.store.Observe(store.ReadValue)
	e, err := b.get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		done(nil) // the store works
	} else {
		done(err)
	}
	return e, err
}

func (b *Bucket) get(ctx context.Context, key string) (Entry, error) {
	st, err := b.open(ctx)
	if err != nil {
		return Entry{}, err
	}
	asking, release := b.store.Asking(ctx, b.ask("MSG.GET"))
	defer release()
	m, err := st.GetLastMsgForSubject(asking, b.prefix+key)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return Entry{}, fmt.Errorf("%s: %w", key, ErrNotFound)
	case err != nil:
		return Entry{}, b.failed(asking, key, err)
	}
	return b.entry(m), nil
}

// Put writes a value, whatever the key has.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	return b.write(ctx, key, value)
}

// Create writes the value of a key that has none.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	return b.Update(ctx, key, value, 0)
}

// Update writes the value of a key whose value has a revision; 0: which has none. If it
// has another one, the error wraps [ErrConflict].
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (next uint64, err error) {
	return b.write(ctx, key, value, jetstream.WithExpectLastSequencePerSubject(revision))
}

func (b *Bucket) write(ctx context.Context, key string, value []byte, options ...jetstream.PublishOpt) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	done := b.store.Observe(store.WriteValue)
	if _, err := b.open(ctx); err != nil {
		done(err)
		return 0, fmt.Errorf("nothing was changed: %w", err)
	}
	asking, release := b.store.Asking(ctx, b.prefix+key)
	defer release()
	ack, err := b.store.JetStream().Publish(asking, b.prefix+key, value, append(options, jetstream.WithExpectStream(b.config.Name))...)
	if err == nil {
		done(nil)
		return ack.Sequence, nil
	}
	if store.Overtaken(err) {
		done(nil) // the store works
		return 0, fmt.Errorf("%s: nothing was changed: %w", key, ErrConflict)
	}
	e, answered := errors.AsType[*jetstream.APIError](err)
	failed := b.failed(asking, key, err)
	done(failed)
	switch {
	case errors.Is(failed, store.ErrNoRight) || errors.Is(err, nats.ErrMaxPayload):
		return 0, fmt.Errorf("nothing was changed: %w", failed)
	case answered && isFull(e):
		return 0, fmt.Errorf("nothing was changed: %w: %w", ErrFull, failed)
	case answered && !store.Undecided(err) && !errors.Is(failed, store.ErrUnavailable):
		return 0, fmt.Errorf("nothing was changed: the store refuses it: %w", failed)
	}
	return 0, fmt.Errorf("%w: %w", ErrUnknown, failed)
}

// Codes of errors that the client has no names for.
const (
	codeStoreFailed jetstream.ErrorCode = 10077 // the text says why a stream does not take a message
	codeNoRoom      jetstream.ErrorCode = 10023 // of the broker
)

// isFull reports whether a stream refuses a message since it has no room for it, or its
// broker has none.
func isFull(e *jetstream.APIError) bool {
	return e.ErrorCode == codeStoreFailed && strings.Contains(e.Description, "maximum") || e.ErrorCode == codeNoRoom
}

// open returns the stream, which it looks at, and creates, from time to time.
func (b *Bucket) open(ctx context.Context) (jetstream.Stream, error) {
	b.mu.Lock()
	st := b.stream
	if time.Since(b.looked) > checkInterval {
		st = nil
	}
	b.mu.Unlock()
	if st != nil {
		return st, b.store.Err()
	}
	st, err := b.store.Stream(ctx, b.config)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.stream, b.looked = st, time.Now()
	b.mu.Unlock()
	return st, nil
}

// failed explains an error, and makes the next call look at the stream again.
func (b *Bucket) failed(asking context.Context, key string, err error) error {
	b.mu.Lock()
	b.stream = nil
	b.mu.Unlock()
	return fmt.Errorf("%s: %w", key, b.store.Failed(asking, err))
}

// ask is the subject of a question about the stream.
func (b *Bucket) ask(what string) string { return "$JS.API.STREAM." + what + "." + b.config.Name }

func (b *Bucket) entry(m *jetstream.RawStreamMsg) Entry {
	return Entry{Key: strings.TrimPrefix(m.Subject, b.prefix), Value: m.Data, Revision: m.Sequence, Time: m.Time}
}

// checkKey says what is wrong with a key: its parts, which dots divide, are of letters,
// digits, '-' and '_'.
func checkKey(key string) error {
	for part := range strings.SplitSeq(key, ".") {
		if part == "" || strings.ContainsFunc(part, notInKey) {
			return fmt.Errorf("%w: %q", ErrKey, key)
		}
	}
	return nil
}

func notInKey(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
}
