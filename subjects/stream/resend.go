package stream

import (
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// maxResend is how many frames of a stream are resent in one turn. At 256 KiB a
// turn, acknowledgements of other streams do not wait for long.
const maxResend = 8

// resendFrom starts a resend from position ack, unless one is under way or began
// there a moment ago: a receiver repeats its report of a gap until the missing
// bytes arrive, which takes at least a round trip, and longer on a busy path.
func (s *Stream) resendFrom(ack uint64) {
	s.mu.Lock()
	h := &s.send
	if ack < h.Acked { // an old report: more has been acknowledged since
		s.mu.Unlock()
		return
	}
	now := s.peer.ep.now()
	if ack != h.resentFrom {
		h.resends = 0
	}
	pause := max(int64(resendPause), 2*s.peer.rtt.Min()) << min(h.resends, 5)
	soon := h.resends > 0 && now-h.resentAt < min(pause, int64(probeAfter))
	if soon || h.resending || len(h.kept) == 0 || s.cause != nil || s.removed {
		s.mu.Unlock()
		return
	}
	h.resending, h.cursor = true, ack
	h.resentFrom, h.resentAt = ack, now
	h.resends++
	s.mu.Unlock()
	s.peer.queueResend(s)
}

// resend resends one turn of kept frames, beginning after those of the last turn.
// The receiver has dropped every frame after the gap, so all kept frames follow,
// those that the writer places meanwhile included.
//
// It reports whether more frames remain. stalled means that they must wait for the
// answer to a PING: earlier copies may still be on their way, and new ones beside
// them would exceed the budget.
func (s *Stream) resend() (more, stalled bool) {
	var turn [maxResend]again
	s.mu.Lock()
	batch, grows := s.send.toResend(turn[:0], s.peer.drained.Load())
	s.mu.Unlock()

	if stalled = !s.peer.recount(grows); !stalled {
		for _, a := range batch {
			s.peer.send(a.f.Buf)
		}
		s.peer.ep.stats.resent.Add(uint64(len(batch)))
	}
	now, surplus := s.peer.ep.now(), 0
	s.mu.Lock()
	h := &s.send
	for _, a := range batch {
		switch {
		case stalled:
		case a.f.Freed(): // acknowledged meanwhile: the bytes of this copy are surplus
			surplus += a.grows
		default:
			a.f.Bulk += a.grows
			a.f.SentAt = now
			h.cursor = a.f.End
		}
		a.f.EndSend()
	}
	more = len(h.kept) > 0 && h.kept[len(h.kept)-1].End > h.cursor
	h.resending = more
	s.mu.Unlock()
	s.peer.recount(-surplus)
	return more, more && stalled
}

// again is a frame to be resent.
type again struct {
	f     *frame.Frame
	grows int // how many more bytes it counts as in flight once resent
}

// toResend appends the frames from the cursor on to batch, up to its capacity, and
// returns how many bytes they add to those in flight. The new copy of a frame
// replaces copies that have left the path; any other copy counts beside it. The
// caller holds Stream.mu and ends the sends.
func (h *sendHalf) toResend(batch []again, drained int64) (_ []again, grows int) {
	h.cursor = max(h.cursor, h.Acked)
	for _, f := range h.kept {
		if len(batch) == cap(batch) {
			break
		}
		if f.End <= h.cursor {
			continue
		}
		a := again{f: f, grows: bulk(len(f.Payload()))}
		if f.Gone(drained) {
			a.grows -= f.Bulk
		}
		f.BeginSend()
		grows += a.grows
		batch = append(batch, a)
	}
	return batch, grows
}

// stallResend continues the resend of s once the peer has answered a PING, which
// is sent now: the answer shows that no earlier copy is still on its way.
func (p *Peer) stallResend(s *Stream) {
	now, floor := p.ep.now(), p.floor()
	p.lastPing.Store(now)
	p.mu.Lock()
	room := len(p.work.stalled) < maxQueued
	if room {
		p.work.stalled = append(p.work.stalled, s)
		p.work.ping = subjects.Ping{Nonce: uint64(now), Floor: floor}
		p.schedule(true)
	}
	p.mu.Unlock()
	if !room {
		s.dropResend()
	}
}

// dropResend gives up a resend for which the queue has no room. The peer asks for
// the frames again, as if they had been lost on the way.
func (s *Stream) dropResend() {
	s.mu.Lock()
	s.send.resending = false
	s.mu.Unlock()
}

// onDrained notes that every frame handed to the link before at has left the path,
// and continues the resends that waited for that.
func (p *Peer) onDrained(at int64) {
	p.drained.Store(max(p.drained.Load(), at))
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := &p.work; len(w.stalled) > 0 {
		w.resend = append(w.resend, w.stalled...)
		w.stalled = nil
		p.schedule(true)
	}
}
