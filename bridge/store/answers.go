package store

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// answers notes whether the brokers answer, while there is a connection to one: the region
// that keeps the store can be away, or its brokers without a quorum. The zero value has
// heard nothing. It is safe for concurrent use.
type answers struct {
	mu     sync.Mutex
	heard  time.Time // when an operation was last answered
	failed error     // why the latest was not, nil if it was
	since  time.Time // when the first of those failed that were not answered, without a gap
}

// note notes how an operation ended that began at a time. One that began before the last
// answer says nothing of the time after it.
func (a *answers) note(began time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch now := time.Now(); {
	case !errors.Is(err, ErrUnavailable):
		a.heard, a.failed = now, nil
	case began.Before(a.heard):
	default:
		if a.failed == nil {
			a.since = now
		}
		a.failed = err
	}
}

// forget forgets what was asked before: there is another connection.
func (a *answers) forget() { a.note(time.Time{}, nil) }

// Unanswered says why what was last asked of the store had no answer, nil if it had one. It
// wraps [ErrUnavailable], as [Store.Err] does, which is nil where a broker is connected.
func (s *Store) Unanswered() error {
	s.answers.mu.Lock()
	defer s.answers.mu.Unlock()
	if s.answers.failed == nil {
		return nil
	}
	return fmt.Errorf("for %v: %w", time.Since(s.answers.since).Round(time.Second), s.answers.failed)
}
