package stream

import (
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// maxResend is how many frames of a stream are sent again in one turn: 256 KiB
// between acknowledgements to others.
const maxResend = 8

// resendFrom has everything from position ack on sent again. The receiver
// reports a gap again and again until its bytes arrive, which takes a round
// trip at least, and longer where the path is busy.
func (s *Stream) resendFrom(ack uint64) {
	s.mu.Lock()
	h := &s.send
	if ack < h.Acked { // said before what was acknowledged since
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

// resend sends kept frames again, beginning after those sent in the turn
// before. It reports whether more remain, and whether they must wait: for the
// peer's answer to a PING, because the copies sent before may still be on their
// way and these would exceed the budget beside them. The receiver has dropped
// all that followed the gap, so all is sent again, up to what the writer places
// now.
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
		case a.f.Freed(): // acknowledged meanwhile, and its bytes given back
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

// again is a frame to be sent again.
type again struct {
	f     *frame.Frame
	grows int // by how many bytes more it counts as in flight from then on
}

// toResend appends to batch, up to its capacity, the frames from the cursor on,
// and returns by how much they add to the bytes in flight. A copy that has left
// the path, arrived or lost, is replaced by the new one; any other counts
// beside it. The caller holds Stream.mu and ends the sends.
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

// stallResend has s sent again once the peer has answered a PING that is sent
// now, which shows that no copy sent before is still on its way.
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

// dropResend gives up on a resend for which there is no room: it is lost as on
// the way, and asked for again.
func (s *Stream) dropResend() {
	s.mu.Lock()
	s.send.resending = false
	s.mu.Unlock()
}

// onDrained notes that what was handed to the link before at has left the path.
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
