package stream

import (
	"context"
	"fmt"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// Open opens a stream to the peer at address to and sends first as its first
// bytes, with the end of this direction where fin is set. An opening of more
// than 4 KiB waits while as many bytes are in flight to the peer as may be;
// what exceeds one message waits for credit, until the peer has stopped
// reading. first must not be empty unless fin is set: an opening without bytes
// could not be acknowledged. ctx governs the whole stream: when it is done, the
// call that waits, and any that would have to, resets the stream, with
// CodeTimeout for a deadline and CodeCanceled otherwise. The caller must call
// Close.
//
// Open fails with the cause of ctx, with [ErrClosed], or with a
// [subjects.ResetError]: CodeOverloaded where too many streams are open to the
// peer. When it fails, first was not sent in full.
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

// newOutgoing returns a new stream to the peer at address to, in whose budget
// it has room for an opening of n bytes.
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

// awaitOpening waits until the opening of s, with n bytes that count, fits the
// bytes in flight. The stream gets its id, and its place in the table, after
// that: ids arrive at the peer almost in order.
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

// open enters s, a new stream of the opening side, and gives it its id.
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

// admit says why no stream can be opened now, nil if one can. The caller holds
// mu.
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

// EndWhenAbsent has the stream end with CodePeerLost as soon as nobody listens
// at the peer's address, unless something was received on it by then. Without
// it the stream waits until the peer is back, or presumed dead: what the peer
// may have executed must not be sent to another.
func (s *Stream) EndWhenAbsent() {
	s.mu.Lock()
	s.impatient = true
	s.mu.Unlock()
}

// absent ends the streams that shall not wait for the peer to come back.
func (p *Peer) absent() {
	all := p.snapshot()
	for _, s := range all {
		s.mu.Lock()
		// Where something was heard, the peer is at work on it.
		ended := s.impatient && s.recv.position() == 0 && s.setCause(&subjects.ResetError{
			Code: subjects.CodePeerLost, Detail: "nobody listens for this instance any more",
		})
		s.mu.Unlock()
		if ended {
			s.removeReset(subjects.CodePeerLost, "")
		}
	}
	if len(all) > 0 && p.ep.cfg.Absent != nil {
		p.ep.cfg.Absent(p.to)
	}
}
