package stream

import "github.com/fairlead-io/fairlead/subjects"

// Positions: those that the peer reports, and its questions about ours.

func (p *Peer) onAck(a subjects.Ack) {
	if a.Flags&subjects.AckClosed != 0 {
		p.mu.Lock()
		delete(p.work.unconfirmed, a.Stream)
		p.mu.Unlock()
	}
	s := p.lookup(a.Stream)
	if s == nil {
		return
	}
	switch {
	case a.Flags&subjects.AckClosed != 0:
		s.onClosed()
	case a.Flags&subjects.AckUnknown != 0:
		if s.accepted {
			s.Reset(subjects.CodeProtocol, "the opener does not know its stream")
			return
		}
		s.onUnknown()
	case a.Flags&subjects.AckStop != 0:
		s.onStop()
	default:
		if s.onAck(a.Ack, a.Limit) && a.Flags&subjects.AckGap != 0 {
			s.resendFrom(a.Ack)
		}
	}
}

// onUnknown handles the peer's UNKNOWN, which says that it never saw the stream.
// If the peer has never shown that it knows the stream, everything is sent again.
// Otherwise the UNKNOWN is either wrong or late: it was made before the opening
// arrived, and waited behind other messages. So the peer is asked again, and a
// second UNKNOWN is believed.
func (s *Stream) onUnknown() {
	s.mu.Lock()
	h := &s.send
	now := s.peer.ep.now()
	heard := s.heard()
	if heard && h.doubtedAt == 0 {
		h.doubtedAt = now
		s.expectAck()
	}
	lost := heard && now-h.doubtedAt >= int64(probeAfter)
	s.mu.Unlock()
	switch {
	case lost: // another process answers at the peer's address
		s.end(&subjects.ResetError{Code: subjects.CodeUnknownOutcome, Detail: "the instance has lost the stream", Remote: true})
	case !heard:
		s.resendFrom(0)
	}
}

// heard reports whether the peer has ever shown that it knows the stream. The
// caller holds mu.
func (s *Stream) heard() bool {
	return s.send.Acked > 0 || s.send.stopped || s.recv.position() > 0
}

// onAck takes a position and reports false for an impossible one.
func (s *Stream) onAck(ack, limit uint64) bool {
	s.mu.Lock()
	if s.cause != nil || s.removed {
		s.mu.Unlock()
		return false
	}
	bulk, ok := s.onPosition(ack, limit)
	over := s.recv.done() && s.send.done()
	s.mu.Unlock()
	s.peer.arrived(bulk)
	if !ok {
		s.Reset(subjects.CodeProtocol, "acknowledgement of bytes never sent")
		return false
	}
	if over {
		s.remove()
	}
	return true
}

// onStop ends the sending direction: the peer wants no more bytes.
func (s *Stream) onStop() {
	s.mu.Lock()
	s.send.doubtedAt = 0
	if s.send.stopped || s.removed || s.cause != nil {
		s.overdueAt.Store(0)
		s.mu.Unlock()
		return
	}
	s.send.stopped = true
	bulk := s.send.dropAll()
	s.overdueAt.Store(0)
	cancel := s.cancel
	s.writable.Wake()
	s.mu.Unlock()
	s.peer.release(bulk)
	if cancel != nil {
		cancel(ErrStopped)
	}
	s.removeIfOver()
}

// onClosed ends a stream that the peer no longer has.
func (s *Stream) onClosed() {
	s.mu.Lock()
	received, sent := s.recv.done(), s.send.fin || s.send.stopped
	s.mu.Unlock()
	switch {
	case received && sent, received && !s.accepted:
		s.onStop()
	case s.accepted:
		s.end(&subjects.ResetError{Code: subjects.CodeCanceled, Detail: "the opener has ended the stream", Remote: true})
	default:
		s.end(&subjects.ResetError{Code: subjects.CodeUnknownOutcome, Detail: "the instance has forgotten the stream", Remote: true})
	}
}

// onPosition takes the position that the peer has reached in this direction and
// the credit that it gives. It returns how many bytes are no longer in flight; ok
// is false for a position that was never sent. The caller holds mu.
func (s *Stream) onPosition(ack, limit uint64) (bulk int, ok bool) {
	h := &s.send
	news, ok := h.Update(ack, limit)
	if !ok {
		return 0, false
	}
	bulk = h.dropAcked()
	if h.blocked && h.Credit(len(h.kept)) > 0 {
		h.blocked = false
		s.writable.Wake()
	}
	if h.flushing && h.Acked == h.Next {
		h.flushing = false
		s.writable.Wake()
	}
	h.doubtedAt = 0
	switch {
	case !h.waits():
		s.overdueAt.Store(0)
	case news:
		s.expectAck()
	}
	return bulk, true
}

func (p *Peer) onProbe(q subjects.Probe) {
	s := p.lookup(q.Stream)
	if s == nil {
		p.answerAbsent(q.Stream)
		return
	}
	if !s.onAck(q.Ack, q.Limit) {
		return
	}
	s.mu.Lock()
	r := &s.recv
	a := subjects.Ack{Stream: s.id, Ack: r.tell(), Limit: r.Limit}
	if r.stopped {
		a.Flags = subjects.AckStop
	} else if q.Sent > a.Ack {
		a.Flags = subjects.AckGap
	}
	// Something may have been lost in the other direction too: find out now.
	ask := s.send.Acked < s.send.Next && !s.send.stopped && s.since(&s.send.askedAt, askAgain)
	s.mu.Unlock()
	p.queueEntry(a, true)
	if ask {
		p.queueProbe(s)
	}
}

// takeAck returns the stream's position. news is false if the peer already knows
// it.
func (s *Stream) takeAck() (a subjects.Ack, news bool) {
	s.ackQueued.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.recv
	if s.cause != nil || s.removed && !r.fin {
		return subjects.Ack{}, false
	}
	news = r.owing || r.acked != r.position()
	return subjects.Ack{Stream: s.id, Ack: r.tell(), Limit: r.Limit}, news
}
