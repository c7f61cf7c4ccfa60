package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// silence is an error that says that no broker answers for the store as a whole: the region
// that keeps it is away, or its brokers have no quorum. It wraps [ErrUnavailable], which
// other errors do too, as those of one stream that cannot be used.
type silence struct{ error }

func (e silence) Unwrap() error { return e.error }

// tellAfter is from when on it is told that nothing is answered: longer than the 2 s between
// two questions of those who follow a stream, and than the shortest bounds of those who
// write, whose end says little by itself.
const tellAfter = 3 * time.Second

// answers notes whether the store answers, while there is a connection to a broker. The zero
// value has asked nothing. It is safe for concurrent use.
type answers struct {
	mu     sync.Mutex
	from   time.Time // what was asked before says nothing any more
	failed error     // why the latest question had no answer, nil if it had one
	since  time.Time // when the first was asked that had none
}

// note notes how an operation ended that began at a time. What neither shows that the store
// answers nor that it does not, as where nothing was sent, is ignored.
func (a *answers) note(began time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, silent := errors.AsType[silence](err)
	_, refused := errors.AsType[*jetstream.APIError](err)
	switch {
	case silent && !began.Before(a.from):
		if a.failed == nil {
			a.since = began
		}
		a.failed = err
	case err == nil || refused && !silent:
		a.from, a.failed = time.Now(), nil
	}
}

// connected notes that there is another connection: what was asked by the one before may
// have lost its answer with it.
func (a *answers) connected() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.from = time.Now()
}

// Unanswered says for how long nothing that was asked of the store has been answered, and
// why; nil if that is less than 3 s. It wraps [ErrUnavailable], as [Store.Err] does, which is
// nil where a broker is connected.
func (s *Store) Unanswered() error {
	a := &s.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil || time.Since(a.since) < tellAfter {
		return nil
	}
	return fmt.Errorf("for %v: %w", time.Since(a.since).Round(time.Second), a.failed)
}
