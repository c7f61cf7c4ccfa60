package stream

import (
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// restAfter is how many ticks without anything to send it takes for the clock to rest: an
// idle endpoint then wakes up every scanInterval instead of every ackDelay. A broker and its
// bridges do not notice, but a node with many agents does.
const restAfter = 40

// runClock sends the acknowledgements that could wait, and checks every
// scanInterval for overdue positions, signs of life and confirmations.
func (e *Endpoint) runClock() {
	tick := time.NewTicker(ackDelay)
	defer tick.Stop()
	last, idle := e.now(), 0
	for {
		select {
		case <-tick.C:
		case <-e.out.stir:
			idle = 0
			tick.Reset(ackDelay)
			continue
		case <-e.done:
			return
		}
		lazy := e.out.take(&e.out.lazy)
		for _, p := range lazy {
			p.flush(false)
		}
		if len(lazy) > 0 {
			idle = 0
		} else if idle++; idle == restAfter && e.out.rest() {
			tick.Reset(scanInterval)
		}
		if now := e.now(); now-last >= int64(scanInterval-ackDelay/2) { // a tick is never quite on time
			e.scan(now, now-last)
			last = now
		}
	}
}

func (e *Endpoint) scan(now, elapsed int64) {
	if elapsed > int64(stallAfter) {
		e.upSince.Store(now)
	}
	down := e.downSince.Load()
	for _, p := range e.all() {
		p.resize(elapsed)
		if p.idleSince.Load() > 0 {
			p.audited = now
			p.mu.Lock()
			waiting := len(p.work.unconfirmed)
			p.mu.Unlock()
			if waiting == 0 {
				if p.forgettable(now) {
					e.forget(p)
				}
				continue
			}
		}
		switch silence := now - max(p.lastHeard.Load(), e.upSince.Load()); {
		case down > 0:
			if now-down > int64(e.cfg.OutageTimeout) {
				p.fail(subjects.CodeLinkLost, "no connection to the broker for "+e.cfg.OutageTimeout.String())
			}
		case silence > int64(e.cfg.PeerTimeout):
			p.presumeDead(now, "no sign of life for "+e.cfg.PeerTimeout.String())
		case silence > int64(e.cfg.AbsentTimeout) && p.isAbsent(now):
			p.presumeDead(now, "not connected to the broker for "+e.cfg.AbsentTimeout.String())
		default:
			if silence > int64(e.cfg.AbsentTimeout) {
				// Those that began a moment ago leave the peer time to answer a PING: it
				// may just have come back.
				p.endImpatient(now-e.twoPings(), "no sign of life for "+e.cfg.AbsentTimeout.String())
			}
			all := now-p.audited >= int64(auditInterval)
			if all {
				p.audited = now
			}
			p.ping(now)
			p.probe(now, all)
			p.repeatResets(now)
		}
	}
}

// presumeDead ends the streams of a peer that has been silent for too long. For as
// long again their resets are repeated, in case the peer comes back.
func (p *Peer) presumeDead(now int64, detail string) {
	if p.idleSince.Load() > 0 {
		p.forgetResets()
		return
	}
	p.ep.stats.peersLost.Add(1)
	p.lastHeard.Store(now)
	p.fail(subjects.CodePeerLost, detail)
}

// ping asks for a sign of life, and measures the path.
func (p *Peer) ping(now int64) {
	if last := p.lastPing.Load(); last > 0 && now-last < int64(p.ep.cfg.PingInterval) {
		return
	}
	p.lastPing.Store(now)
	g := subjects.Ping{Nonce: uint64(now), Floor: p.floor()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work.ping = g
	p.schedule(true)
}

// probe asks for the positions that are overdue; for all of them if all is set,
// after a reconnect and every auditInterval.
func (p *Peer) probe(now int64, all bool) {
	var overdue []*Stream
	p.mu.Lock()
	for _, s := range p.streams {
		if at := s.overdueAt.Load(); all || at > 0 && now >= at {
			overdue = append(overdue, s)
		}
	}
	p.mu.Unlock()
	for _, s := range overdue {
		p.queueProbe(s)
	}
}

// queueProbe asks for the position of s, and sets when to ask again.
func (p *Peer) queueProbe(s *Stream) {
	s.mu.Lock()
	if s.cause != nil || s.removed {
		s.mu.Unlock()
		return
	}
	h := &s.send
	q := subjects.Probe{Stream: s.id, Sent: h.Next, Ack: s.recv.position(), Limit: s.recv.Limit}
	h.askedAt = p.ep.now()
	if s.overdueAt.Load() > 0 {
		h.askAfter = min(max(h.askAfter*2, int64(probeAfter)), int64(maxProbeAfter))
		s.overdueAt.Store(h.askedAt + h.askAfter)
	}
	s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.work.probes) < maxQueued {
		p.work.probes = append(p.work.probes, q)
	}
	p.schedule(true)
}

// repeatResets repeats the resets that the peer has not confirmed.
func (p *Peer) repeatResets(now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, m := range p.work.unconfirmed {
		if now-m.at >= int64(probeAfter) && len(p.work.resets) < maxQueued {
			m.at = now
			p.work.unconfirmed[id] = m
			p.work.resets = append(p.work.resets, m)
			p.schedule(true)
		}
	}
}
