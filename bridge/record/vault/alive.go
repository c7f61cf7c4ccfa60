package vault

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/store"
)

const (
	// clockSkew is how much the clock of a bridge may be ahead of those of brokers.
	clockSkew = goneAfter - aliveMost
	// maxHeard bounds the messages that are read to learn when a bridge was last heard of,
	// each in a round trip: those of a session of 34 hours. In goneAfter a bridge sends 4.
	maxHeard = 4096
)

// listen says of a session without an end whether its bridge is gone. Whoever has the key
// of the store can publish old messages of the bridge again, and junk, behind the bridge's
// last one. So the last message answers only if it is fresh; otherwise the latest of those
// that the bridge sealed does.
func (s *shelf) listen(e *record.Entry) error {
	now := s.now()
	m, err := s.last(aliveSubject(e.ID))
	if errors.Is(err, io.EOF) {
		interrupt(e, e.Start, now)
		return nil
	}
	if err != nil {
		return err
	}
	at := e.Start
	if _, sealed, ok := unseal(m.Header, m.Data, keyOf(e), alive, e.ID); ok {
		at = sealed
	}
	if now.Sub(at) <= goneAfter {
		return nil
	}
	if lately := now.Add(-goneAfter - clockSkew); !m.Time.Before(lately) {
		h, err := s.hear(e, lately, m.Sequence)
		if err != nil {
			return err
		}
		if h.cut || now.Sub(h.last) <= goneAfter { // while nobody can tell, it goes on
			e.Foreign = true
			return nil
		}
	}
	h, err := s.hear(e, at.Add(-clockSkew), m.Sequence)
	if err != nil {
		return err
	}
	e.Foreign = e.Foreign || h.foreign
	interrupt(e, h.last, now)
	return nil
}

// heard is what a bridge has said about one of its sessions: that it still has it.
type heard struct {
	last    time.Time // when it sealed the latest message
	number  int64     // of that message
	foreign bool      // there are messages that it did not seal, or not for this place
	cut     bool      // there were too many messages to read all
}

// hear reads what was stored about a session since a time, up to a message that is there.
func (s *shelf) hear(e *record.Entry, since time.Time, upTo uint64) (heard, error) {
	h := heard{last: e.Start}
	from, err := s.since(since, aliveSubject(e.ID), upTo)
	for read := 0; err == nil; read++ {
		var m *jetstream.RawStreamMsg
		if m, err = s.next(from, aliveSubject(e.ID)); err != nil || m.Sequence > upTo {
			break
		}
		if read == maxHeard {
			h.cut, h.foreign = true, true
			break
		}
		h.add(e, m)
		from = m.Sequence + 1
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return h, err
}

// add adds the next message. The bridge's own have numbers that grow.
func (h *heard) add(e *record.Entry, m *jetstream.RawStreamMsg) {
	number, at, ok := unseal(m.Header, m.Data, keyOf(e), alive, e.ID)
	if !ok || number <= h.number {
		h.foreign = true
	}
	h.number = max(h.number, number)
	if ok && at.After(h.last) {
		h.last = at
	}
}

// since returns the first sequence behind all messages of a subject that were stored before
// a time; upTo is that of one that is there.
func (s *shelf) since(t time.Time, subject string, upTo uint64) (uint64, error) {
	low, high := uint64(1), upTo
	for low < high {
		middle := low + (high-low)/2
		m, err := s.next(middle, subject)
		switch {
		case err != nil && !errors.Is(err, io.EOF): // io.EOF: it has just expired
			return 0, err
		case err == nil && m.Time.Before(t):
			low = m.Sequence + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// last returns the last message of a subject, io.EOF if there is none.
func (s *shelf) last(subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(s.ctx, store.Timeout)
	defer cancel()
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, io.EOF
	}
	return m, s.store.Explain(err)
}
