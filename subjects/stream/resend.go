package stream

import (
	"sync"

	"github.com/fairlead-io/fairlead/subjects"
)

// frame is a DATA frame that is kept until the peer has acknowledged it.
// Fields are guarded by the stream's mu; buf is not changed after commit.
type frame struct {
	buf   []byte // header and payload
	end   uint64 // offset after the payload, and after the FIN if it has one
	sends int    // sends under way, which read buf without the lock
	freed bool   // acknowledged while a send was under way
	bulk  int    // bytes counted as in flight to the peer; each copy that may be on its way counts
	// sentAt is when the last copy had been handed to the link, in the
	// endpoint's nanoseconds; 0 for a small frame, and for one never sent.
	sentAt int64
	class  int8
}

// The sizes of frame buffers. Most unary messages fit the first; an idle
// watch holds the second while it waits for its next event.
var classSize = [...]int{1 << 10, 4<<10 + subjects.DataHeaderLen, subjects.MaxMessage}

var framePools [len(classSize)]sync.Pool

// newFrame returns a frame with room for at least n payload bytes,
// n <= subjects.MaxPayload.
func newFrame(n int) *frame {
	c := 0
	for n+subjects.DataHeaderLen > classSize[c] {
		c++
	}
	f, _ := framePools[c].Get().(*frame)
	if f == nil {
		f = &frame{buf: make([]byte, classSize[c]), class: int8(c)}
	}
	f.buf = f.buf[:cap(f.buf)]
	return f
}

func (f *frame) payload() []byte { return f.buf[subjects.DataHeaderLen:] }

func (f *frame) setLen(n int) { f.buf = f.buf[:subjects.DataHeaderLen+n] }

// bulk returns how many of a frame's n payload bytes count as in flight: a
// small frame never waits for the budget, and takes nothing of it.
func bulk(n int) int {
	if n > smallFrame {
		return n
	}
	return 0
}

// gone reports whether no copy of f is on its way: each had been handed to the
// link before drained.
func (f *frame) gone(drained int64) bool { return f.sends == 0 && f.sentAt <= drained }

// free returns f to its pool, at the end of the last send under way.
func (f *frame) free() {
	if f.sends > 0 {
		f.freed = true
		return
	}
	buf, class := f.buf, f.class
	*f = frame{buf: buf, class: class}
	framePools[class].Put(f)
}

// sent ends a send that was announced by f.sends++.
func (f *frame) sent() {
	f.sends--
	if f.sends == 0 && f.freed {
		f.freed = false
		f.free()
	}
}

// maxResend is how many frames of a stream are sent again in one turn: 256 KiB
// between acknowledgements to others.
const maxResend = 8

// resendFrom has everything from position ack on sent again. The receiver
// reports a gap again and again until its bytes arrive, which takes a round
// trip at least, and longer where the path is busy.
func (s *Stream) resendFrom(ack uint64) {
	s.mu.Lock()
	h := &s.send
	if ack < h.acked { // said before what was acknowledged since
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
			s.peer.send(a.f.buf)
		}
		s.peer.ep.stats.resent.Add(uint64(len(batch)))
	}
	now, surplus := s.peer.ep.now(), 0
	s.mu.Lock()
	h := &s.send
	for _, a := range batch {
		switch {
		case stalled:
		case a.f.freed: // acknowledged meanwhile, and its bytes given back
			surplus += a.grows
		default:
			a.f.bulk += a.grows
			a.f.sentAt = now
			h.cursor = a.f.end
		}
		a.f.sent()
	}
	more = len(h.kept) > 0 && h.kept[len(h.kept)-1].end > h.cursor
	h.resending = more
	s.mu.Unlock()
	s.peer.recount(-surplus)
	return more, more && stalled
}

// again is a frame to be sent again.
type again struct {
	f     *frame
	grows int // by how many bytes more it counts as in flight from then on
}

// toResend appends to batch, up to its capacity, the frames from the cursor on,
// and returns by how much they add to the bytes in flight. A copy that has left
// the path, arrived or lost, is replaced by the new one; any other counts
// beside it. The caller holds Stream.mu and ends the sends.
func (h *sendHalf) toResend(batch []again, drained int64) (_ []again, grows int) {
	h.cursor = max(h.cursor, h.acked)
	for _, f := range h.kept {
		if len(batch) == cap(batch) {
			break
		}
		if f.end <= h.cursor {
			continue
		}
		a := again{f: f, grows: bulk(len(f.payload()))}
		if f.gone(drained) {
			a.grows -= f.bulk
		}
		f.sends++
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
