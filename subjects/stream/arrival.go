package stream

import (
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// action is what an arriving DATA frame asks for once the lock is released.
type action int

const (
	nothing    action = iota
	ackSoon           // say the position when the clock next ticks
	ackNow            // say it at once
	finish            // both directions have ended: say so in company, and remove
	finishNow         // the same, at once
	repeatStop        // say again that no more is wanted
	repeatAck         // nothing new: say where we stand, and remove what is over
	reportGap         // something is missing: say so
	ignoreGap         // it was said a moment ago
	overCredit        // the peer breaks the contract: reset
	neverSent         // so it does with an acknowledgement
)

func (s *Stream) onData(d *subjects.Data, payload []byte) {
	p := s.peer
	s.mu.Lock()
	do, bulk := s.takeData(d, payload)
	a := subjects.Ack{Stream: s.id, Ack: s.recv.position(), Limit: s.recv.Limit}
	s.mu.Unlock()
	p.arrived(bulk)
	switch do {
	case ackSoon, ackNow:
		p.queueAck(s, do == ackNow)
	case finish, finishNow:
		p.queueEntry(a, do == finishNow) // one entry lets the peer forget
		s.remove()
	case repeatStop:
		p.queueStop(s.id)
	case repeatAck:
		p.queueAck(s, true)
		s.removeIfOver()
	case reportGap, ignoreGap:
		p.ep.stats.gaps.Add(1)
		if do == reportGap {
			a.Flags = subjects.AckGap
			p.queueEntry(a, true)
		}
		s.removeIfOver()
	case overCredit:
		s.Reset(subjects.CodeProtocol, "bytes beyond the credit or the end")
	case neverSent:
		s.Reset(subjects.CodeProtocol, "acknowledgement of bytes never sent")
	}
}

// takeData takes what a DATA frame says and carries. It returns what is to be
// done, and how many bytes are no longer in flight to the peer. The caller
// holds mu.
func (s *Stream) takeData(d *subjects.Data, payload []byte) (do action, bulk int) {
	if s.cause != nil || s.removed {
		return nothing, 0
	}
	bulk, ok := s.onPosition(d.Ack, d.Limit)
	if !ok {
		return neverSent, bulk
	}
	r := &s.recv
	switch r.accept(d, payload) {
	case took:
		s.readable.Wake()
		return s.afterNews(d, len(payload)), bulk
	case repeated:
		r.owing = true
		return repeatAck, bulk
	case gap:
		if r.gapNext != r.next {
			r.gapNext, r.gapAt = r.next, 0
		}
		if s.since(&r.gapAt, resendPause) {
			return reportGap, bulk
		}
		return ignoreGap, bulk
	}
	return overCredit, bulk
}

// afterNews says how a frame of n bytes that brought something new is to be
// answered. The caller holds mu.
func (s *Stream) afterNews(d *subjects.Data, n int) action {
	r, large, crowded := &s.recv, n > smallFrame, false
	if large {
		// The sender holds these bytes of its budget until it hears of them.
		if s.peer.large += n; s.peer.large >= ackEvery {
			s.peer.large, crowded = 0, true
		}
	}
	urgent := crowded || r.position()-r.acked >= ackEvery || r.frames >= ackFrames
	stop := r.stopped && s.since(&r.stopAt, resendPause)
	switch {
	case r.done() && s.send.done():
		if urgent && large {
			return finishNow
		}
		return finish
	case stop:
		return repeatStop
	case urgent:
		return ackNow
	case s.accepted && d.Flags == subjects.DataOpen|subjects.DataFin && !large:
		// A small request that is whole is acknowledged by its response; the
		// opener asks should that take longer.
		return nothing
	}
	return ackSoon
}

// since reports whether pause has passed since *at, which it then sets to now.
// The caller holds mu.
func (s *Stream) since(at *int64, pause time.Duration) bool {
	now := s.peer.ep.now()
	if *at > 0 && now-*at <= int64(pause) {
		return false
	}
	*at = now
	return true
}
