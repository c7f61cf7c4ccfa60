package stream

import (
	"errors"

	"github.com/fairlead-io/fairlead/subjects"
)

// Receive takes a message that arrived from the peer p. It keeps msg, never
// blocks and never sends. Messages of one peer must be given in the order in
// which they arrived, by one goroutine at a time; those of different peers may
// come from several.
func (e *Endpoint) Receive(p *Peer, msg []byte) {
	p.lastHeard.Store(e.now())
	t, err := subjects.ParseType(msg)
	if err == nil {
		switch t {
		case subjects.FrameData:
			err = p.onData(msg)
		case subjects.FrameAck:
			err = subjects.ParseAcks(msg, p.onAck)
		case subjects.FrameProbe:
			err = subjects.ParseProbes(msg, p.onProbe)
		case subjects.FrameReset:
			err = p.onReset(msg)
		case subjects.FramePing, subjects.FramePong:
			err = p.onPing(t, msg)
		default:
			// A newer peer may send more than this version knows.
			e.stats.unknown.Add(1)
		}
	} else if errors.Is(err, subjects.ErrVersion) {
		if id, ok := subjects.ParseStream(msg); ok && t == subjects.FrameData {
			p.queueReset(id, subjects.CodeIncompatible, err.Error(), false)
		}
	}
	if err != nil {
		e.stats.malformed.Add(1)
		e.cfg.Logger.Warn("frame dropped", "peer", p.to, "error", err)
	}
}

func (p *Peer) onData(msg []byte) error {
	d, payload, err := subjects.ParseData(msg)
	if err != nil {
		if id, ok := subjects.ParseStream(msg); ok && p.lookup(id) != nil {
			p.abort(id, err.Error())
		}
		return err
	}
	s := p.lookup(d.Stream)
	if s == nil {
		if s = p.accept(&d); s == nil {
			return nil
		}
		s.onData(&d, payload)
		p.ep.pool.run(s)
		return nil
	}
	s.onData(&d, payload)
	return nil
}

// abort resets a stream whose peer broke the contract.
func (p *Peer) abort(id uint64, detail string) {
	if s := p.lookup(id); s != nil {
		s.Reset(subjects.CodeProtocol, detail)
	}
}

// accept makes the stream that an OPEN frame asks for. It returns nil, and has
// the peer told why, for any other frame of a stream that is not in the table.
func (p *Peer) accept(d *subjects.Data) *Stream {
	e := p.ep
	if e.cfg.Handler == nil {
		p.answerAbsent(d.Stream)
		return nil
	}
	refuse := subjects.Code(e.refuse.Load())
	detail := ""
	p.mu.Lock()
	switch {
	case p.seen.has(d.Stream) || d.Flags&subjects.DataOpen == 0:
		p.mu.Unlock()
		p.answerAbsent(d.Stream)
		return nil
	case refuse != 0:
	case int(e.open.Load()) >= e.cfg.MaxStreams || p.seen.full():
		refuse, detail = subjects.CodeOverloaded, "the instance serves as many streams as it may"
	}
	if refuse != 0 {
		// Not noted as seen: the refusal may be lost, and the peer may ask again.
		p.mu.Unlock()
		e.stats.refused.Add(1)
		p.queueReset(d.Stream, refuse, detail, false)
		return nil
	}
	p.seen.add(d.Stream)
	s := newStream(p, d.Stream, true, nil)
	p.enter(s)
	p.mu.Unlock()
	return s
}

// answerAbsent tells the peer what has become of a stream that is not here.
func (p *Peer) answerAbsent(id uint64) {
	p.mu.Lock()
	m, wasReset := p.work.unconfirmed[id]
	unseen := p.ep.cfg.Handler != nil && !p.seen.has(id)
	p.mu.Unlock()
	switch {
	case wasReset:
		p.queueReset(id, m.code, m.detail, true)
	case unseen:
		p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckUnknown}, true)
	default:
		p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckClosed}, true)
	}
}

func (s *Stream) onData(d *subjects.Data, payload []byte) {
	s.mu.Lock()
	if s.cause != nil || s.removed {
		s.mu.Unlock()
		return
	}
	bulk, ok := s.onPosition(d.Ack, d.Limit)
	if !ok {
		s.mu.Unlock()
		s.Reset(subjects.CodeProtocol, "acknowledgement of bytes never sent")
		return
	}
	r := &s.recv
	v := r.accept(d, payload)
	position := r.position()
	unacked := position - r.acked
	fin := r.fin
	over := r.done() && s.send.done()
	reportGap := false
	if v == gap {
		now := s.peer.ep.now()
		if r.gapNext != r.next || r.gapAt == 0 || now-r.gapAt > int64(resendPause) {
			r.gapNext, r.gapAt = r.next, now
			reportGap = true
		}
	}
	stopped := r.stopped
	limit := r.limit
	s.mu.Unlock()

	p := s.peer
	p.arrived(bulk)
	switch v {
	case took:
		signal(s.readable)
		if over {
			// All is said: one entry, in company, lets the peer forget.
			p.queueEntry(subjects.Ack{Stream: s.id, Ack: position, Limit: limit}, false)
			s.leave()
			return
		}
		if stopped {
			p.queueStop(s.id)
		} else if unacked >= ackEvery {
			p.queueAck(s, true)
		} else if !(s.accepted && fin && d.Flags&subjects.DataOpen != 0) {
			// A whole request is acknowledged by its response; the opener
			// asks should that take longer.
			p.queueAck(s, false)
		}
	case repeated:
		p.queueAck(s, true)
		s.settle()
	case gap:
		p.ep.stats.gaps.Add(1)
		if reportGap {
			p.queueEntry(subjects.Ack{Stream: s.id, Ack: position, Limit: limit, Flags: subjects.AckGap}, true)
		}
		s.settle()
	case overrun:
		s.Reset(subjects.CodeProtocol, "bytes beyond the credit or the end")
	}
}

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
		s.mu.Lock()
		lost := s.send.acked == 0
		s.mu.Unlock()
		if !lost { // it was known there once: the peer is not who it was
			s.end(&subjects.ResetError{Code: subjects.CodeUnknownOutcome, Detail: "the instance has lost the stream", Remote: true})
			return
		}
		s.resendFrom(0)
	case a.Flags&subjects.AckStop != 0:
		s.onStop()
	default:
		if s.onAck(a.Ack, a.Limit) && a.Flags&subjects.AckGap != 0 {
			s.resendFrom(a.Ack)
		}
	}
}

// onAck takes a position and reports false for one that cannot be.
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
		s.leave()
	}
	return true
}

// onStop ends the sending direction: the peer wants no more.
func (s *Stream) onStop() {
	s.mu.Lock()
	if s.send.stopped || s.removed || s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.send.stopped = true
	bulk := s.send.dropAll()
	s.overdueAt.Store(0)
	cancel := s.cancel
	s.mu.Unlock()
	s.peer.release(bulk)
	if cancel != nil {
		cancel(ErrStopped)
	}
	signal(s.writable)
	s.settle()
}

// onClosed ends a stream of which the peer has kept nothing.
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

// resendFrom has everything from position ack on sent again.
func (s *Stream) resendFrom(ack uint64) {
	s.mu.Lock()
	h := &s.send
	now := s.peer.ep.now()
	again := ack == h.resentFrom && h.resentAt > 0 && now-h.resentAt < int64(resendPause)
	if again || h.resendQueued || len(h.kept) == 0 || s.cause != nil || s.removed {
		s.mu.Unlock()
		return
	}
	h.resendQueued, h.resentFrom, h.resentAt = true, ack, now
	s.mu.Unlock()
	s.peer.queueResend(s)
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
	a := subjects.Ack{Stream: s.id, Ack: r.position(), Limit: r.limit}
	r.acked = a.Ack
	if r.stopped {
		a.Flags = subjects.AckStop
	} else if q.Sent > a.Ack {
		a.Flags = subjects.AckGap
	}
	ask := s.send.acked < s.send.next && !s.send.stopped
	if ask {
		now := p.ep.now()
		ask = s.overdueAt.Load() > now+int64(resendPause)
		if ask {
			// Something may have been lost this way too: find out now.
			s.overdueAt.Store(now)
		}
	}
	s.mu.Unlock()
	p.queueEntry(a, true)
	if ask {
		p.queueProbe(s)
	}
}

func (p *Peer) onReset(msg []byte) error {
	id, code, detail, err := subjects.ParseReset(msg)
	if err != nil {
		return err
	}
	if s := p.lookup(id); s != nil {
		s.end(&subjects.ResetError{Code: code, Detail: detail, Remote: true})
		p.ep.stats.resetByPeer.Add(1)
	} else if p.ep.cfg.Handler != nil && id != 0 {
		p.mu.Lock()
		if !p.seen.full() {
			p.seen.add(id) // an OPEN that comes late must not be executed
		}
		p.mu.Unlock()
	}
	p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckClosed}, true)
	return nil
}

func (p *Peer) onPing(t subjects.FrameType, msg []byte) error {
	g, err := subjects.ParsePing(msg)
	if err != nil {
		return err
	}
	if t == subjects.FramePong {
		now := p.ep.now()
		if d := now - int64(g.Nonce); int64(g.Nonce) > 0 && d >= 0 {
			p.rtt.sample(d, now)
		}
		return nil
	}
	p.mu.Lock()
	if p.ep.cfg.Handler != nil {
		p.seen.raise(g.Floor)
	}
	if len(p.work.pongs) < 16 { // a flood of pings needs no flood of answers
		p.work.pongs = append(p.work.pongs, g)
	}
	p.mu.Unlock()
	p.schedule(true)
	return nil
}
