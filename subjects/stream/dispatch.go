package stream

import (
	"errors"
	"runtime/debug"

	"github.com/fairlead-io/fairlead/subjects"
)

// Receive takes a message that arrived from the peer p. It keeps msg, never
// blocks and never sends. Messages of one peer must be given in the order in
// which they arrived, by one goroutine at a time; those of different peers may
// come from several.
func (e *Endpoint) Receive(p *Peer, msg []byte) {
	now := e.now()
	p.lastHeard.Store(now)
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
	}
	if err == nil {
		return
	}
	if t == subjects.FrameData {
		p.rejectData(msg, err)
	}
	e.stats.malformed.Add(1)
	if p.logged == 0 || now-p.logged > int64(logInterval) {
		p.logged = now
		e.cfg.Logger.Warn("frame dropped", "peer", p.to, "error", err)
	}
}

// rejectData ends the one stream that a malformed frame belongs to: its sender
// would send the same bytes again.
func (p *Peer) rejectData(msg []byte, err error) {
	id, ok := subjects.ParseStream(msg)
	if !ok || id == 0 {
		return
	}
	code := subjects.CodeProtocol
	if errors.Is(err, subjects.ErrVersion) {
		code = subjects.CodeIncompatible
	}
	if s := p.lookup(id); s != nil {
		s.Reset(code, err.Error())
	} else {
		p.queueReset(id, code, err.Error(), false)
	}
}

func (p *Peer) onData(msg []byte) error {
	d, payload, err := subjects.ParseData(msg)
	if err != nil {
		return err
	}
	s := p.lookup(d.Stream)
	if s == nil {
		if s = p.accept(&d); s == nil {
			return nil
		}
		s.onData(&d, payload)
		if !p.ep.pool.Run(s) {
			s.Reset(subjects.CodeDraining, "the instance is stopping")
		}
		return nil
	}
	s.onData(&d, payload)
	return nil
}

// accept makes the stream that an OPEN frame asks for. For any other frame of a
// stream that is not in the table it returns nil, and notifies the peer why.
func (p *Peer) accept(d *subjects.Data) *Stream {
	e := p.ep
	if e.cfg.Handler == nil {
		p.answerAbsent(d.Stream)
		return nil
	}
	p.mu.Lock()
	if p.retired { // forgotten just now: the opener asks again, and is then a new peer
		p.mu.Unlock()
		return nil
	}
	fresh, room := false, false
	if d.Flags&subjects.DataOpen != 0 {
		fresh, room = p.seen.Put(d.Stream)
	}
	if !fresh {
		p.mu.Unlock()
		p.answerAbsent(d.Stream)
		return nil
	}
	refuse, detail := subjects.Code(e.refuse.Load()), ""
	switch {
	case refuse != 0:
	case !room:
		refuse, detail = subjects.CodeOverloaded, "too many stream ids are missing between those that arrived"
	case e.closed.Load():
		refuse = subjects.CodeDraining
	case max(e.open.Load(), e.pool.Running()) >= e.most.Load():
		refuse, detail = subjects.CodeOverloaded, "the instance is at its limit of concurrent streams"
	}
	if refuse != 0 {
		// A refusal promises that nothing was executed. To keep the promise, the id
		// is used up, and the refusal is repeated until the opener confirms it.
		p.mu.Unlock()
		e.stats.refused.Add(1)
		p.queueReset(d.Stream, refuse, detail, true)
		return nil
	}
	s := newStream(p, d.Stream, true, nil)
	p.enter(s)
	p.mu.Unlock()
	return s
}

// serve calls the handler for s. It is the only place where a handler's panic is
// recovered: the panic ends its stream, not the process. The panic's text is
// only for the log.
func (e *Endpoint) serve(s *Stream) {
	defer s.closeHandled()
	defer func() {
		if v := recover(); v != nil {
			e.cfg.Logger.Error("stream handler panicked",
				"peer", s.Addr(), "stream", s.id, "panic", v, "stack", string(debug.Stack()))
			s.Reset(subjects.CodeInternal, "")
		}
	}()
	e.cfg.Handler(s)
}

// answerAbsent answers a frame of a stream that is not in the table: with the
// stream's reset if that is not confirmed yet, with UNKNOWN if the stream was
// never seen, and with CLOSED otherwise.
func (p *Peer) answerAbsent(id uint64) {
	p.mu.Lock()
	m, wasReset := p.work.unconfirmed[id]
	unseen := p.ep.cfg.Handler != nil && !p.seen.Has(id)
	p.mu.Unlock()
	switch {
	case wasReset:
		if p.ep.now()-m.at > int64(resendPause) {
			p.queueReset(id, m.code, m.detail, true)
		}
	case unseen:
		p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckUnknown}, true)
	default:
		p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckClosed}, true)
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
		if p.retired { // as in accept: the reset is repeated, and the new peer remembers the id
			p.mu.Unlock()
			return nil
		}
		p.seen.Add(id) // a late OPEN must not be executed
		p.mu.Unlock()
	}
	p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckClosed}, true)
	return nil
}

var errForeignPong = errors.New("answer to a PING that was never sent: does another process use the same id?")

func (p *Peer) onPing(t subjects.FrameType, msg []byte) error {
	g, err := subjects.ParsePing(msg)
	if err != nil {
		return err
	}
	if t == subjects.FramePong {
		now := p.ep.now()
		d := now - int64(g.Nonce)
		if int64(g.Nonce) <= 0 || d < 0 {
			// If two processes share an id by mistake, the younger one receives
			// the answers to the older one, whose clock is ahead.
			return errForeignPong
		}
		p.rtt.Sample(d, now)
		p.onDrained(int64(g.Nonce))
		return nil
	}
	p.mu.Lock()
	if p.ep.cfg.Handler != nil {
		p.seen.Raise(g.Floor)
	}
	if len(p.work.pongs) < 16 { // a flood of PINGs must not cause a flood of answers
		p.work.pongs = append(p.work.pongs, g)
	}
	p.schedule(true)
	p.mu.Unlock()
	return nil
}
