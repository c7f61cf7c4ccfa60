package stream

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/idset"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/rtt"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/wait"
)

// Peer is the other end of streams: one process at one address. It is safe for
// concurrent use.
type Peer struct {
	ep *Endpoint
	to string

	mu      sync.Mutex // guards what follows
	streams map[uint64]*Stream
	nextID  uint64    // opening side
	seen    idset.Set // accepting side
	work    outWork
	budget  budget
	opening int  // openings that wait for the budget
	retired bool // no longer in the endpoint's table

	lastHeard atomic.Int64 // endpoint nanoseconds
	lastPing  atomic.Int64
	absentAt  atomic.Int64 // when the link last reported that the address has no listener
	idleSince atomic.Int64 // when the last stream left; 0 while there are some
	// drained is when the latest PING that the peer has answered was made. Frames
	// handed to the link before it are no longer on their way.
	drained atomic.Int64
	rtt     rtt.Shortest

	audited int64 // when all positions were last asked for; only the clock uses it
	logged  int64 // when a malformed frame was last logged; only the receiver uses it
	// large is how many bytes have arrived in large frames since an ACK was last
	// urgent; only the receiver uses it.
	large int
}

// outWork is everything that waits to be sent to a peer.
type outWork struct {
	queued bool // in the outbox's queue
	lazy   bool // in the clock's list
	acks   []subjects.Ack
	ackOf  []*Stream // streams whose position, at the time of sending, is to be acknowledged
	probes []subjects.Probe
	resets []resetMsg
	resend []*Stream
	// stalled are the streams whose resend waits for the answer to a PING.
	stalled []*Stream
	ping    subjects.Ping // to be sent unless its nonce is 0
	pongs   []subjects.Ping
	// unconfirmed are the resets that the peer has not confirmed.
	unconfirmed map[uint64]resetMsg
}

type resetMsg struct {
	id     uint64
	code   subjects.Code
	detail string
	at     int64 // when last sent, endpoint nanoseconds
}

// newPeer returns a peer. The caller holds ep.mu.
func newPeer(ep *Endpoint, to string) *Peer {
	now := ep.now()
	p := &Peer{
		ep: ep, to: to,
		streams: make(map[uint64]*Stream),
		// Ids rise throughout a peer's life. A peer that was forgotten and is met
		// again continues above the ids used before, even if the wall clock was set
		// back. 2^20 ids fit a millisecond. The first one is at a random place in
		// it, so that two processes that share an address by mistake do not share
		// ids.
		nextID: max(uint64(max(time.Now().UnixMilli(), 1))<<20+rand.Uint64N(1<<20), ep.firstID),
	}
	p.seen.Pool = &ep.spans
	p.budget.limit = minInFlight
	p.lastHeard.Store(now)
	p.idleSince.Store(now)
	p.audited = now
	return p
}

// errRetired is returned for a peer that the endpoint has forgotten meanwhile.
var errRetired = errors.New("stream: peer retired")

// Addr returns the address that messages for the peer are sent to.
func (p *Peer) Addr() string { return p.to }

// enter adds s to the table. The caller holds mu.
func (p *Peer) enter(s *Stream) {
	if len(p.streams) == 0 {
		// Silence while there were no streams does not count.
		p.lastHeard.Store(p.ep.now())
		p.idleSince.Store(0)
	}
	p.streams[s.id] = s
	p.ep.stats.opened.Add(1)
	p.ep.open.Add(1)
}

// remove takes s out of the table and gives back bulk bytes in flight.
func (p *Peer) remove(s *Stream, bulk int) {
	p.mu.Lock()
	if p.streams[s.id] == s {
		delete(p.streams, s.id)
		if p.ep.open.Add(-1) == 0 {
			wait.Signal(p.ep.idle)
		}
		if len(p.streams) == 0 {
			now := p.ep.now()
			p.idleSince.Store(now)
			if len(p.work.unconfirmed) > 0 {
				p.lastHeard.Store(now) // the time in which the peer may confirm begins now
			}
		}
	}
	p.mu.Unlock()
	p.release(bulk)
}

// forgettable reports whether the peer has had no stream, and has been silent, for
// so long that no frame of a stream it knows can still be on its way. Silence
// matters too: the ids of streams that were refused or reset a moment ago must
// still be remembered.
func (p *Peer) forgettable(now int64) bool {
	idle := p.idleSince.Load()
	return idle > 0 && now-max(idle, p.lastHeard.Load()) > int64(peerIdle)
}

// lookup returns the stream, nil if there is none.
func (p *Peer) lookup(id uint64) *Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams[id]
}

// snapshot returns the present streams.
func (p *Peer) snapshot() []*Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Stream, 0, len(p.streams))
	for _, s := range p.streams {
		all = append(all, s)
	}
	return all
}

// floor returns the lowest id that may still be in use; 0 on the accepting side,
// which does not know it.
func (p *Peer) floor() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ep.cfg.Handler != nil {
		return 0
	}
	low := p.nextID
	for id := range p.streams {
		low = min(low, id)
	}
	for id := range p.work.unconfirmed {
		low = min(low, id)
	}
	return low
}

// fail ends all streams with one cause. The peer cannot be reached now; if it
// comes back soon, it receives their resets.
func (p *Peer) fail(code subjects.Code, detail string) {
	for _, s := range p.snapshot() {
		s.mu.Lock()
		ended := s.setCause(&subjects.ResetError{Code: code, Detail: detail})
		s.mu.Unlock()
		if ended {
			s.removeReset(code, detail)
		}
	}
}

// forgetResets gives up on resets that the peer has not confirmed.
func (p *Peer) forgetResets() {
	p.mu.Lock()
	clear(p.work.unconfirmed)
	p.mu.Unlock()
}

// sendAck acknowledges a position from a reader's goroutine, which may block.
func (p *Peer) sendAck(a subjects.Ack) {
	var buf [64]byte
	p.send(subjects.AppendAcks(buf[:0], []subjects.Ack{a}))
}

// queueAck has the position of s acknowledged: at once if urgent, otherwise when
// the clock next ticks.
func (p *Peer) queueAck(s *Stream, urgent bool) {
	fresh := !s.ackQueued.Swap(true)
	if !fresh && !urgent {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !fresh:
	case len(p.work.ackOf) < maxQueued:
		p.work.ackOf = append(p.work.ackOf, s)
	default: // streams came and went while the link was blocked
		s.ackQueued.Store(false)
	}
	p.schedule(urgent)
}

// queueEntry has an ACK entry sent as it is.
func (p *Peer) queueEntry(a subjects.Ack, urgent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.work.acks) < maxQueued {
		p.work.acks = append(p.work.acks, a)
	}
	p.schedule(urgent || len(p.work.acks) >= ackBatch)
}

// queueStop has the peer notified that no more bytes of a stream are wanted.
func (p *Peer) queueStop(id uint64) {
	p.queueEntry(subjects.Ack{Stream: id, Flags: subjects.AckStop}, true)
}

// queueReset has a reset sent; if keep is set, it is repeated until the peer
// confirms it.
func (p *Peer) queueReset(id uint64, code subjects.Code, detail string, keep bool) {
	m := resetMsg{id: id, code: code, detail: detail, at: p.ep.now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &p.work
	if len(w.resets) < maxQueued {
		w.resets = append(w.resets, m)
	}
	if _, kept := w.unconfirmed[id]; keep && (kept || len(w.unconfirmed) < subjects.MaxStreams) {
		if w.unconfirmed == nil {
			w.unconfirmed = make(map[uint64]resetMsg)
		}
		if len(w.unconfirmed) == 0 && len(p.streams) == 0 {
			p.lastHeard.Store(m.at)
		}
		w.unconfirmed[id] = m
	}
	p.schedule(true)
}

// queueResend has the outbox resend frames of s.
func (p *Peer) queueResend(s *Stream) {
	p.mu.Lock()
	room := len(p.work.resend) < maxQueued
	if room {
		p.work.resend = append(p.work.resend, s)
		p.schedule(true)
	}
	p.mu.Unlock()
	if !room {
		s.dropResend()
	}
}

// schedule queues the peer for the outbox goroutine if urgent, and otherwise for
// the clock, unless it already waits for the outbox. The caller holds mu.
func (p *Peer) schedule(urgent bool) {
	w := &p.work
	switch {
	case w.queued:
	case urgent:
		w.queued = true
		p.ep.out.put(p, true)
	case !w.lazy:
		w.lazy = true
		p.ep.out.put(p, false)
	}
}
