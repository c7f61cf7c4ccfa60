package stream

import (
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// action is what remains to be done for a DATA frame once the lock is released.
type action int

const (
	nothing    action = iota
	ackSoon           // acknowledge when the clock next ticks
	ackNow            // acknowledge at once
	finish            // both directions have ended: acknowledge with others, and remove
	finishNow         // the same, at once
	repeatStop        // send STOP again
	repeatAck         // nothing new: acknowledge again, and remove the stream if it has ended
	reportGap         // bytes are missing: report the gap
	ignoreGap         // the gap was reported a moment ago
	overCredit        // bytes beyond the credit: reset
	neverSent         // an acknowledgement of bytes never sent: reset
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

// takeData takes the position and the payload of a DATA frame. It returns what
// remains to be done, and how many bytes are no longer in flight to the peer. The
// caller holds mu.
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

// afterNews returns how to answer a frame of n bytes that brought new bytes or the
// end. The caller holds mu.
func (s *Stream) afterNews(d *subjects.Data, n int) action {
	r, large, crowded := &s.recv, n > smallFrame, false
	if large {
		// These bytes take up the sender's budget until they are acknowledged.
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
		// A small request that arrived whole is acknowledged by its response. If
		// that takes long, the opener asks.
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
