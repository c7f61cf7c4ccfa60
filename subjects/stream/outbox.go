package stream

import (
	"slices"
	"sync"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/wait"
)

// outbox holds the peers that frames wait to be sent to: those that the outbox
// goroutine serves at once, and those that can wait for the clock.
type outbox struct {
	mu     sync.Mutex
	urgent []*Peer
	lazy   []*Peer
	kick   chan struct{}
	// resting: the clock ticks seldom, and is to be stirred when lazy gets its first peer.
	resting bool
	stir    chan struct{}
}

func (o *outbox) init() { o.kick, o.stir = make(chan struct{}, 1), make(chan struct{}, 1) }

func (o *outbox) put(p *Peer, urgent bool) {
	o.mu.Lock()
	if urgent {
		o.urgent = append(o.urgent, p)
	} else {
		o.lazy = append(o.lazy, p)
	}
	stir := o.resting && !urgent
	if stir {
		o.resting = false
	}
	o.mu.Unlock()
	if urgent {
		wait.Signal(o.kick)
	}
	if stir {
		wait.Signal(o.stir)
	}
}

// rest has the clock stirred by the next peer that can wait, and reports whether there is
// none now.
func (o *outbox) rest() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resting = len(o.lazy) == 0
	return o.resting
}

// take empties one of the two lists and returns its peers.
func (o *outbox) take(list *[]*Peer) []*Peer {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := *list
	*list = nil
	return t
}

func (e *Endpoint) runOutbox() {
	for {
		select {
		case <-e.out.kick:
		case <-e.done:
			return
		}
		for _, p := range e.out.take(&e.out.urgent) {
			p.flush(true)
		}
	}
}

// flush sends everything that waits to be sent to p.
func (p *Peer) flush(urgent bool) {
	p.mu.Lock()
	w := &p.work
	if urgent {
		w.queued = false
	} else {
		w.lazy = false
	}
	acks, ackOf, probes := w.acks, w.ackOf, w.probes
	resets, resend, ping, pongs := w.resets, w.resend, w.ping, w.pongs
	w.acks, w.ackOf, w.probes, w.resets, w.resend, w.pongs = nil, nil, nil, nil, nil, nil
	w.ping = subjects.Ping{}
	// A stream that was unknown may have been opened by now, and even acknowledged:
	// UNKNOWN would be wrong.
	acks = slices.DeleteFunc(acks, func(a subjects.Ack) bool {
		return a.Flags&subjects.AckUnknown != 0 && p.seen.Has(a.Stream)
	})
	p.mu.Unlock()

	for _, g := range pongs {
		p.send(subjects.AppendPing(nil, subjects.FramePong, g))
	}
	if ping.Nonce != 0 {
		p.ask(subjects.AppendPing(nil, subjects.FramePing, ping))
	}
	for _, r := range resets {
		p.send(subjects.AppendReset(nil, r.id, r.code, r.detail))
	}
	for _, s := range ackOf {
		if a, news := s.takeAck(); news {
			acks = append(acks, a)
		}
	}
	for len(acks) > 0 {
		n := min(len(acks), subjects.MaxEntries)
		p.send(subjects.AppendAcks(make([]byte, 0, 2+n*subjects.AckEntryLen), acks[:n]))
		acks = acks[n:]
	}
	for len(probes) > 0 {
		n := min(len(probes), subjects.MaxEntries)
		p.ask(subjects.AppendProbes(make([]byte, 0, 2+n*subjects.ProbeEntryLen), probes[:n]))
		probes = probes[n:]
	}
	for _, s := range resend {
		switch more, stalled := s.resend(); {
		case stalled:
			p.stallResend(s)
		case more:
			p.queueResend(s)
		}
	}
}

// send hands a message to the link. A failure is a loss like any other: the clock
// asks the peer. While the link is down the message is dropped: LinkUp, which
// follows, finds out what was lost.
func (p *Peer) send(msg []byte) {
	if !p.ep.down() {
		_ = p.ep.link.Send(p.to, msg)
	}
}

// ask is send for a question: the link reports if the peer has no listener.
func (p *Peer) ask(msg []byte) {
	if !p.ep.down() {
		_ = p.ep.link.SendOpen(p.to, 0, msg)
	}
}
