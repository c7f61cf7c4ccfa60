package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrNoRight is wrapped, with [ErrUnavailable], by errors that say that the bridge's role
// does not allow what was asked: the account was made by an older version.
var ErrNoRight = errors.New("role store does not allow it")

// howToWiden is what to do then.
const howToWiden = "the account for what bridges share was made by an older version of Fairlead. " +
	"Run 'fairlead-broker store add' again, or with nsc platform.sh and push.sh; bridges then connect again by themselves"

// maxRefused bounds the subjects that are kept as refused. There are about as many as
// the role has.
const maxRefused = 64

// rights are what brokers have refused, and what waits for an answer. The store's mutex
// guards them.
type rights struct {
	refused map[string]bool // by subject
	asking  map[*question]struct{}
}

type question struct {
	subjects []string
	refuse   context.CancelCauseFunc
}

func (r *rights) forget() { clear(r.refused) }

// Asking returns a context for a question to JetStream, for which messages are published
// to subjects. It ends with ctx, after [Timeout], when the connection is lost, and when a
// broker refuses one of the subjects: brokers do not answer a message that they refuse.
// [Store.Failed] says which it was. release must be called.
func (s *Store) Asking(ctx context.Context, subjects ...string) (asking context.Context, release func()) {
	return s.AskingWithin(ctx, Timeout, subjects...)
}

// AskingWithin is [Store.Asking] for many questions, whose answers together may take longer.
func (s *Store) AskingWithin(ctx context.Context, most time.Duration, subjects ...string) (asking context.Context, release func()) {
	ctx, done := s.Connected(ctx)
	ctx, refuse := context.WithCancelCause(ctx)
	ctx, cancel := context.WithTimeout(ctx, most)
	q := &question{subjects: subjects, refuse: refuse}
	s.mu.Lock()
	if s.rights.asking == nil {
		s.rights.asking = map[*question]struct{}{}
	}
	s.rights.asking[q] = struct{}{}
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		delete(s.rights.asking, q)
		s.mu.Unlock()
		cancel()
		refuse(nil)
		done()
	}
}

// Failed explains an error of what was done with a context of [Store.Asking]. It wraps
// [ErrUnavailable] if the store cannot be used now, and [ErrNoRight] besides if the role
// does not allow it.
func (s *Store) Failed(asking context.Context, err error) error {
	if why := context.Cause(asking); err != nil && errors.Is(why, ErrUnavailable) {
		return why
	}
	return s.Explain(err)
}

// Missing says which rights the brokers have refused since the bridge connected; nil:
// none. It wraps [ErrNoRight].
func (s *Store) Missing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rights.refused) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrNoRight, strings.Join(slices.Sorted(maps.Keys(s.rights.refused)), ", "), howToWiden)
}

// violation is how a broker says what it refuses.
var violation = regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to "([^"]+)"`)

// onRefused notes what a broker refuses, and ends the questions that are asked there. It
// reports whether err says what that is.
func (s *Store) onRefused(err error) bool {
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	subject := m[2]
	why := fmt.Errorf("%w: %w: %s to %s: %s", ErrUnavailable, ErrNoRight, strings.ToLower(m[1]), subject, howToWiden)
	s.mu.Lock()
	known := s.rights.refused[subject] || len(s.rights.refused) >= maxRefused
	if !known {
		if s.rights.refused == nil {
			s.rights.refused = map[string]bool{}
		}
		s.rights.refused[subject] = true
	}
	for q := range s.rights.asking {
		if slices.Contains(q.subjects, subject) {
			q.refuse(why)
		}
	}
	s.mu.Unlock()
	if !known {
		s.log.Error("the brokers refuse what this bridge needs of the shared store", "subject", subject, "do", howToWiden)
	}
	return true
}
