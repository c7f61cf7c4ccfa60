package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

func (s *Store) onUp() {
	s.mu.Lock()
	s.down = nil
	s.lose(nil) // of a connection that was not lost in between
	s.alive, s.lose = context.WithCancelCause(context.Background())
	s.rights.forget() // the role may be another one by now
	s.answers.connected()
	select {
	case <-s.up:
	default:
		close(s.up)
	}
	s.mu.Unlock()
	s.log.Info("connected to the shared store")
}

// onDown gets the reason why the connection was lost, nil if the bridge itself renews
// it.
func (s *Store) onDown(err error) {
	s.mu.Lock()
	s.down, s.lost = errors.New("the connection was lost"), time.Now()
	if err != nil {
		s.down = fmt.Errorf("the connection was lost: %w", err)
	}
	s.lose(fmt.Errorf("%w: %w", ErrUnavailable, s.down))
	closed := s.closed
	s.mu.Unlock()
	if err != nil && !closed {
		s.failed("connection to the shared store lost", err)
	}
}

// onError is notified of failed attempts to connect, and of errors that do not end the
// connection.
func (s *Store) onError(err error) {
	if errors.Is(err, nats.ErrPermissionViolation) && s.onRefused(err) {
		return
	}
	s.mu.Lock()
	up := s.down == nil
	if !up && errors.Is(err, ErrStarting) {
		s.down = err
		s.mu.Unlock()
		return
	}
	first := !up && s.down.Error() != err.Error()
	if !up {
		s.down = err
	}
	s.mu.Unlock()
	switch {
	case up:
		s.log.Warn("shared store", "error", err)
	case first:
		s.failed("no connection to the shared store; the bridge keeps trying", err)
	default:
		s.cfg.OnFailure(s.failure(err))
	}
}

// failed counts and logs why there is no connection.
func (s *Store) failed(message string, err error) {
	f := s.failure(err)
	s.cfg.OnFailure(f)
	s.log.LogAttrs(context.Background(), slog.LevelWarn, message, f.LogValue().Group()...)
}

func (s *Store) failure(err error) *cause.Failure {
	f := natslink.Failure("connect to the broker for the shared store", err).ForBridge()
	if s.redialer != nil && errors.Is(err, nats.ErrAuthorization) {
		reach.MayLackWebSocket(f, s.redialer.Server(), subjects.RoleStore, reach.RenewStore)
	}
	return f
}
