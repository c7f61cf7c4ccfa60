package stream

import (
	"context"
	"fmt"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// Open opens a stream to the peer at address to and sends first as its first
// bytes; if fin is set, the end of this direction follows. An opening of more than
// 4 KiB waits for room in the budget of bytes in flight to the peer. Bytes beyond
// the first message wait for credit, unless the peer stops reading. first must not
// be empty unless fin is set: an opening without bytes could not be acknowledged.
//
// ctx governs the whole stream. Once it is done, a call that waits, or would have
// to, resets the stream: with CodeTimeout if the deadline has passed, and with
// CodeCanceled otherwise. The caller must call Close.
//
// Open fails with the cause of ctx, with [ErrClosed], or with a
// [subjects.ResetError]: CodeOverloaded if too many streams are open to the peer.
// If it fails, first was not sent in full.
func (e *Endpoint) Open(ctx context.Context, to string, first []byte, fin bool) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if len(first) == 0 && !fin {
		return nil, errEmptyOpen
	}
	n := min(len(first), subjects.MaxPayload)
	p, s, err := e.newOutgoing(ctx, to, n)
	if err != nil {
		return nil, err
	}
	f := frame.New(n)
	f.SetLen(copy(f.Payload(), first[:n]))
	f.Bulk = bulk(n)
	flags := uint8(subjects.DataOpen)
	if fin && n == len(first) {
		flags |= subjects.DataFin
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	if err := s.cause; err != nil { // ended meanwhile, before anything was sent
		s.mu.Unlock()
		p.release(f.Bulk)
		f.Free()
		return nil, err
	}
	s.place(f, flags)
	f.BeginSend()
	s.mu.Unlock()
	if !e.down() {
		// A failure is a loss like any other: the clock asks the peer.
		_ = e.link.SendOpen(p.to, s.id, f.Buf)
	}
	s.handedOver(f, n)
	if n < len(first) {
		if _, err = s.write(first[n:], fin); err != nil && err != ErrStopped {
			s.Reset(subjects.CodeCanceled, "")
			return nil, err
		}
	}
	return s, nil
}

// newOutgoing returns a new stream to the peer at address to, and that peer. An
// opening of n bytes is reserved in the peer's budget.
func (e *Endpoint) newOutgoing(ctx context.Context, to string, n int) (*Peer, *Stream, error) {
	for {
		p := e.AddPeer(to)
		if p == nil {
			return nil, nil, &subjects.ResetError{Code: subjects.CodeOverloaded, Detail: "too many peers"}
		}
		s := newStream(p, 0, false, ctx)
		if err := p.awaitOpening(s, bulk(n)); err != nil {
			return nil, nil, err
		}
		err := p.open(s)
		if err == nil {
			return p, s, nil
		}
		p.release(bulk(n))
		if err != errRetired {
			return nil, nil, err
		}
	}
}

// awaitOpening waits until the opening of s, which counts as n bytes, fits the
// budget. Only then does the stream get its id and its place in the table, so that
// ids arrive at the peer almost in order.
func (p *Peer) awaitOpening(s *Stream, n int) error {
	if n == 0 {
		return nil
	}
	p.mu.Lock()
	err := p.admit()
	if err == nil {
		p.opening++
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	err = s.reserve(n)
	p.mu.Lock()
	p.opening--
	p.mu.Unlock()
	return err
}

// open gives s, a new stream of the opening side, its id, and adds it to the table.
func (p *Peer) open(s *Stream) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.admit(); err != nil {
		return err
	}
	s.id = p.nextID
	p.nextID++
	p.enter(s)
	return nil
}

// admit returns nil if a stream can be opened now, and otherwise the reason. The
// caller holds mu.
func (p *Peer) admit() error {
	switch most := p.ep.cfg.MaxStreams; {
	case p.ep.closed.Load():
		return ErrClosed
	case p.retired:
		return errRetired
	case len(p.streams)+p.opening >= most:
		return &subjects.ResetError{Code: subjects.CodeOverloaded,
			Detail: fmt.Sprintf("%d streams are open to this instance", most)}
	}
	return nil
}

// EndWhenAbsent has the stream end with CodePeerLost as soon as the peer's address
// has no listener, or the peer has been silent for Config.AbsentTimeout, unless bytes
// have been received on it by then. By default the stream waits until the peer is
// back, or presumed dead: a request that the peer may have executed must not be sent
// to another.
func (s *Stream) EndWhenAbsent() {
	s.mu.Lock()
	s.impatient = s.peer.ep.now()
	s.mu.Unlock()
}

// absent notes that the peer's address has no listener.
func (p *Peer) absent() {
	now, awaited := p.ep.now(), p.idleSince.Load() == 0
	p.absentAt.Store(now)
	p.endImpatient(now, "the instance no longer has a subscriber")
	if awaited && p.ep.cfg.Absent != nil {
		p.ep.cfg.Absent(p.to)
	}
}

// isAbsent reports whether the latest questions to the peer had no listener.
func (p *Peer) isAbsent(now int64) bool {
	at := p.absentAt.Load()
	return at > 0 && now-at <= p.ep.twoPings()
}

// twoPings is the time, in nanoseconds, in which a peer has been asked for a sign of
// life and the answer has come.
func (e *Endpoint) twoPings() int64 { return 2 * int64(e.cfg.PingInterval) }

// endImpatient ends the streams that do not wait for the peer to come back, and were
// opened before a time in endpoint nanoseconds.
func (p *Peer) endImpatient(before int64, detail string) {
	for _, s := range p.snapshot() {
		s.mu.Lock()
		// A peer that has answered is at work on the request.
		ended := s.impatient > 0 && s.impatient <= before && s.recv.position() == 0 &&
			s.setCause(&subjects.ResetError{Code: subjects.CodePeerLost, Detail: detail})
		s.mu.Unlock()
		if ended {
			s.removeReset(subjects.CodePeerLost, "")
		}
	}
}
