package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Codes of errors that the client has no names for.
const (
	codeReplicasUnsupported jetstream.ErrorCode = 10074 // by a server without a cluster
	codeNotAvailable        jetstream.ErrorCode = 10008 // no leader of the whole JetStream
	codeNoPeers             jetstream.ErrorCode = 10005 // too few servers that are up
	codeOffline             jetstream.ErrorCode = 10118 // the stream's servers are down
	codeInProcess           jetstream.ErrorCode = 10158 // a message sent again whose first sending has no quorum yet
)

// defaultReplicas outlive the loss of one broker.
const defaultReplicas = 3

// Stream returns the stream that c names, and creates it if there is none. Of one that
// exists, c's sizes do not matter: they are its operator's. So is its age, if it is not
// below c's.
func (s *Store) Stream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	done := s.Observe(LookAtStream)
	st, err := s.stream(ctx, c)
	done(err)
	return st, err
}

func (s *Store) stream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	ctx, release := s.Asking(ctx, "$JS.API.STREAM.INFO."+c.Name, "$JS.API.STREAM.CREATE."+c.Name)
	defer release()
	c.Storage, c.Retention = jetstream.FileStorage, jetstream.LimitsPolicy
	c.DenyDelete, c.DenyPurge = true, true
	c.MaxConsumers = -1
	st, err := s.js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if st, err = s.create(ctx, c); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another bridge was faster
			st, err = s.js.Stream(ctx, c.Name)
		}
	}
	if err != nil {
		return nil, s.Failed(ctx, fmt.Errorf("stream %s: %w", c.Name, err))
	}
	if err := judge(&st.CachedInfo().Config, &c); err != nil {
		return nil, fmt.Errorf("%w: stream %s cannot be used: %w", ErrUnavailable, c.Name, err)
	}
	s.warn(c.Name, st.CachedInfo().Config.Replicas)
	return st, nil
}

// warn says once that a stream has fewer replicas than this bridge would create it with.
func (s *Store) warn(stream string, replicas int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if replicas >= s.cfg.Replicas || s.warned[stream] {
		return
	}
	if s.warned == nil {
		s.warned = map[string]bool{}
	}
	s.warned[stream] = true
	s.log.Warn("a stream of the shared store has fewer replicas than --store-replicas; bridges do not change it: use 'nats stream edit'", "stream", stream, "replicas", replicas)
}

func (s *Store) create(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	if c.Replicas = s.cfg.Replicas; c.Replicas == 0 {
		c.Replicas = defaultReplicas
	}
	st, err := s.js.CreateStream(ctx, c)
	if e, ok := errors.AsType[*jetstream.APIError](err); ok && e.ErrorCode == codeReplicasUnsupported && s.cfg.Replicas == 0 {
		c.Replicas = 1
		st, err = s.js.CreateStream(ctx, c)
	}
	if err == nil {
		s.log.Info("stream of the shared store created", "stream", c.Name, "replicas", c.Replicas, "max_bytes", c.MaxBytes)
	}
	return st, err
}

// judge says why a stream that exists cannot be trusted with what c is for: somebody
// else made it, and what is acknowledged could be lost or sent elsewhere.
func judge(is, want *jetstream.StreamConfig) error {
	switch {
	case !slices.Equal(is.Subjects, want.Subjects):
		return fmt.Errorf("its subjects are %q and not %q", is.Subjects, want.Subjects)
	case is.Storage != jetstream.FileStorage:
		return errors.New("it is kept in memory")
	case is.Retention != jetstream.LimitsPolicy:
		return errors.New("its retention is not that of limits: consumers remove messages")
	case !is.DenyDelete || !is.DenyPurge:
		return errors.New("its messages can be deleted or purged")
	case is.AllowRollup:
		return errors.New("it allows roll-ups, which remove messages")
	case is.MaxMsgsPerSubject > 0 && want.MaxMsgsPerSubject <= 0:
		return errors.New("it keeps a limited number of messages of a subject")
	case is.Mirror != nil || len(is.Sources) > 0 || is.RePublish != nil || is.SubjectTransform != nil || is.NoAck:
		return errors.New("it has a mirror, sources, republishing or transforms, or acknowledges nothing")
	case is.MaxMsgs > 0 || is.AllowMsgTTL || is.SubjectDeleteMarkerTTL > 0:
		return errors.New("it keeps a limited number of messages, or messages have an end of their own")
	case is.MaxAge > 0 && (want.MaxAge <= 0 || is.MaxAge < want.MaxAge):
		return tooYoung(is, want)
	case is.Discard != want.Discard || is.DiscardNewPerSubject:
		return fmt.Errorf("when it is full, it discards other messages than it should (%v, not %v)", is.Discard, want.Discard)
	case is.PersistMode == jetstream.AsyncPersistMode:
		return errors.New("it acknowledges what is not on disk yet")
	case is.AllowMsgCounter || is.AllowMsgSchedules:
		return errors.New("it counts messages, or publishes them later")
	case is.Sealed:
		return errors.New("it is sealed")
	}
	return nil
}

// tooYoung says what to do about a stream that keeps messages for a shorter time than the
// access file promises. A bridge cannot do it: whoever may change a stream may empty it.
func tooYoung(is, want *jetstream.StreamConfig) error {
	keep := "for ever"
	if want.MaxAge > 0 {
		keep = "for " + want.MaxAge.String()
	}
	return fmt.Errorf("it keeps messages for %v, and the access file wants them kept %s. Bridges may not change a stream: as a steward run "+
		"'nats stream edit %s --max-age %v', or write at most %v into the access file and start the bridge again", is.MaxAge, keep, is.Name, want.MaxAge, is.MaxAge)
}

// Overtaken reports whether JetStream refused a change since its subject had another
// sequence than the change expects, or since a change of the subject is still under way:
// a stream with copies says so by a code of its own, for a moment after it has
// acknowledged that change too.
func Overtaken(err error) bool {
	e, answered := errors.AsType[*jetstream.APIError](err)
	return answered && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Undecided reports whether an error says that a message that was sent again waits for a
// quorum since it was sent first.
func Undecided(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && e.ErrorCode == codeInProcess
}

// whyNoAnswer is what may be wrong while the bridge is connected to a broker. It cannot know
// which it is: a broker of a region without the store, too, is there as long as its own
// region is.
const whyNoAnswer = "more of the brokers that keep it are down than it can do without (no quorum), or this bridge's region is " +
	"not connected to theirs ('fairlead-broker healthcheck cluster' at its own brokers says so, and which region is missing)"

// Explain wraps [ErrUnavailable] around an error that says that JetStream does not work
// now, and says what is known of the reason. Other errors it returns as they are.
func (s *Store) Explain(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if down := s.Err(); down != nil {
		return down
	}
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch e.ErrorCode {
		case codeNotAvailable, codeNoPeers:
			return silence{fmt.Errorf("%w: %s: %w", ErrUnavailable, whyNoAnswer, err)}
		case codeOffline, codeInProcess: // of one stream
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, whyNoAnswer, err)
		case jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
			return fmt.Errorf("%w: the brokers have no JetStream for its account: %w", ErrUnavailable, err)
		}
		return err
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse):
		return silence{fmt.Errorf("%w: no broker answers for it: %s", ErrUnavailable, whyNoAnswer)}
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return silence{fmt.Errorf("%w: no answer in time (%v at most): %s", ErrUnavailable, Timeout, whyNoAnswer)}
	case errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionReconnecting):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
