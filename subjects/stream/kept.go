package stream

import (
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/flow"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// sendHalf is the state of the sending direction, guarded by Stream.mu.
type sendHalf struct {
	flow.SendWindow
	kept     []*frame.Frame // sent and not yet acknowledged, in order
	keptBuf  [2]*frame.Frame
	fin      bool  // the end has been sent
	stopped  bool  // the peer wants no more bytes
	blocked  bool  // the writer waits for credit
	flushing bool  // the writer waits until everything is acknowledged
	askAfter int64 // present interval between probes, in nanoseconds
	askedAt  int64 // when the peer's position was last asked for
	// doubtedAt is when the peer said UNKNOWN of a stream that it had answered on;
	// 0 once it reports a position.
	doubtedAt int64

	resending  bool   // the outbox resends, and sends the frames placed meanwhile
	cursor     uint64 // everything below it has been resent
	resentFrom uint64 // where the last resend began
	resentAt   int64  // when it began; 0 if there was none
	resends    int    // how many resends in a row began there
}

func (h *sendHalf) done() bool { return h.stopped || h.fin && h.Acked == h.Next }

// waits reports whether the peer owes something: an acknowledgement, or credit for
// the writer that waits.
func (h *sendHalf) waits() bool { return !h.stopped && h.Acked < h.Next || h.blocked }

// dropAll frees all kept frames and returns how many bytes they had in flight.
func (h *sendHalf) dropAll() (bulk int) {
	for i, f := range h.kept {
		bulk += f.Bulk
		f.Free()
		h.kept[i] = nil
	}
	h.kept = nil
	return bulk
}

// dropAcked frees the acknowledged frames and returns how many bytes they had in
// flight.
func (h *sendHalf) dropAcked() (bulk int) {
	n := 0
	for n < len(h.kept) && h.kept[n].End <= h.Acked {
		bulk += h.kept[n].Bulk
		h.kept[n].Free()
		h.kept[n] = nil
		n++
	}
	if n == len(h.kept) {
		h.kept = h.kept[:0]
	} else if n > 0 {
		k := copy(h.kept, h.kept[n:])
		clear(h.kept[k:])
		h.kept = h.kept[:k]
	}
	return bulk
}

// commit places f in the direction, keeps it and sends it. f must not be used
// afterwards. The caller holds wmu and has seen enough credit for f.
func (s *Stream) commit(f *frame.Frame, flags uint8) error {
	n := len(f.Payload())
	if n > smallFrame {
		if err := s.reserve(n); err != nil {
			f.Free()
			return err
		}
		f.Bulk = n
	}
	s.mu.Lock()
	if err := s.writeErr(); err != nil {
		s.mu.Unlock()
		s.peer.release(f.Bulk)
		f.Free()
		return err
	}
	s.place(f, flags)
	if s.send.resending { // the outbox sends f, after the frames before it
		s.mu.Unlock()
		return nil
	}
	f.BeginSend()
	s.mu.Unlock()

	s.peer.send(f.Buf)
	s.handedOver(f, n)
	return nil
}

// handedOver ends a send of f, which has n bytes of payload and has just been
// handed to the link.
func (s *Stream) handedOver(f *frame.Frame, n int) {
	var at int64
	if n > smallFrame {
		at = s.peer.ep.now()
	}
	s.mu.Lock()
	f.SentAt = at
	f.EndSend()
	s.mu.Unlock()
}

// reserve waits until n bytes of the peer's budget are set aside for s.
func (s *Stream) reserve(n int) error {
	if s.peer.reserve(s, n) {
		return nil
	}
	for {
		s.mu.Lock()
		err, token := s.writeErr(), s.writable.Arm()
		s.mu.Unlock()
		if s.peer.reserve(s, n) {
			return nil
		}
		if err == nil {
			err = s.wait(token, &s.wdl)
		}
		if err != nil {
			s.peer.abandon(s)
			return err
		}
	}
}

// place writes f's header and keeps f until it is acknowledged. The caller
// holds mu.
func (s *Stream) place(f *frame.Frame, flags uint8) {
	h, r := &s.send, &s.recv
	subjects.PutData(f.Buf, subjects.Data{
		Flags: flags, Stream: s.id, Offset: h.Next, Ack: r.tell(), Limit: r.Limit,
	})
	if flags&subjects.DataTrailer == 0 {
		h.Next += uint64(len(f.Payload()))
	}
	if flags&subjects.DataFin != 0 {
		h.Next++
		h.fin = true
	}
	f.End = h.Next
	h.blocked = false
	h.kept = append(h.kept, f)
	if s.overdueAt.Load() == 0 {
		s.expectAck()
	}
}

// expectAck notes when the peer is to be asked for its position. The caller
// holds mu.
func (s *Stream) expectAck() {
	s.send.askAfter = int64(probeAfter)
	s.overdueAt.Store(s.peer.ep.now() + s.send.askAfter)
}
