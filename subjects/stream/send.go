package stream

import (
	"fmt"
	"io"
	"os"

	"github.com/fairlead-io/fairlead/subjects"
)

// sendHalf is the state of the sending direction, guarded by Stream.mu.
type sendHalf struct {
	sendWindow
	kept     []*frame // sent and not yet acknowledged, in order
	keptBuf  [2]*frame
	fin      bool  // the end has been sent
	stopped  bool  // the peer wants no more
	blocked  bool  // the writer waits for credit
	flushing bool  // the writer waits until everything is acknowledged
	askAfter int64 // present interval between probes, nanoseconds
	askedAt  int64 // when the peer's position was last asked for
	// doubtedAt is when the peer said that it does not know a stream of which
	// something had been heard; 0 once it tells a position.
	doubtedAt int64

	resending  bool   // the outbox sends again, and what is placed meanwhile
	cursor     uint64 // how far it has got
	resentFrom uint64 // where the last resend began
	resentAt   int64  // and when; 0 while nothing was ever sent again
	resends    int    // how many began there
}

func (h *sendHalf) done() bool { return h.stopped || h.fin && h.acked == h.next }

// waits reports whether something is expected of the peer: that it takes what
// was sent, or gives credit.
func (h *sendHalf) waits() bool { return !h.stopped && h.acked < h.next || h.blocked }

// dropAll frees all kept frames and returns the bytes that they had in flight.
func (h *sendHalf) dropAll() (bulk int) {
	for i, f := range h.kept {
		bulk += f.bulk
		f.free()
		h.kept[i] = nil
	}
	h.kept = nil
	return bulk
}

// dropAcked frees the frames below the acknowledged position.
func (h *sendHalf) dropAcked() (bulk int) {
	n := 0
	for n < len(h.kept) && h.kept[n].end <= h.acked {
		bulk += h.kept[n].bulk
		h.kept[n].free()
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

// Write sends b, waiting for credit as needed, as in [io.Writer]. What it has
// taken is delivered even if the link is lost meanwhile.
func (s *Stream) Write(b []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.write(b, false)
}

// WriteFinal sends b and the end, in as few messages as possible.
func (s *Stream) WriteFinal(b []byte) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	_, err := s.write(b, true)
	return err
}

// CloseWrite sends the end of this direction: the peer reads io.EOF. The other
// direction goes on.
func (s *Stream) CloseWrite() error { return s.WriteFinal(nil) }

// CloseWriteTrailer is CloseWrite with a trailer of at most
// subjects.MaxTrailer bytes.
func (s *Stream) CloseWriteTrailer(trailer []byte) error {
	if len(trailer) > subjects.MaxTrailer {
		return fmt.Errorf("trailer of %d bytes: %w", len(trailer), subjects.ErrHeadTooLarge)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	f := newFrame(len(trailer))
	f.setLen(copy(f.payload(), trailer))
	return s.commit(f, subjects.DataFin|subjects.DataTrailer)
}

// ReadFrom sends all that r gives, each piece as soon as it is there, until r's
// end or an error; the end of the direction is not sent. The piece is read
// straight into the frame that carries it.
func (s *Stream) ReadFrom(r io.Reader) (int64, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	var total int64
	want := 2 << 10 // an idle watch holds a small buffer; one that was filled is followed by a larger
	for empty := 0; empty < 100; {
		credit, err := s.credit()
		if err != nil {
			return total, err
		}
		f := newFrame(min(want, subjects.MaxPayload))
		p := f.payload()
		p = p[:min(len(p), credit)]
		n, rerr := r.Read(p)
		if n < 0 || n > len(p) {
			f.free()
			return total, io.ErrNoProgress
		}
		if n == len(p) {
			want = min(len(p)*8, subjects.MaxPayload)
		} else if n < want/16 {
			want = 2 << 10
		}
		if n == 0 {
			f.free()
			empty++
		} else {
			empty = 0
			f.setLen(n)
			if err := s.commit(f, 0); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
	return total, io.ErrNoProgress
}

func (s *Stream) write(b []byte, fin bool) (int, error) {
	if len(b) > 0 && s.wdl.passed() { // the end alone need not wait
		return 0, os.ErrDeadlineExceeded
	}
	sent := 0
	for {
		n := min(len(b)-sent, subjects.MaxPayload)
		if n > 0 {
			credit, err := s.credit()
			if err != nil {
				return sent, err
			}
			n = min(n, credit)
		} else if !fin {
			return sent, nil
		}
		f := newFrame(n)
		f.setLen(copy(f.payload(), b[sent:sent+n]))
		flags := uint8(0)
		if fin && sent+n == len(b) {
			flags = subjects.DataFin
		}
		if err := s.commit(f, flags); err != nil {
			return sent, err
		}
		sent += n
		if sent == len(b) && (!fin || flags != 0) {
			return sent, nil
		}
	}
}

// credit waits until at least one byte may be sent and returns how many may.
// The caller holds wmu, so the credit stays.
func (s *Stream) credit() (int, error) {
	for {
		s.mu.Lock()
		h := &s.send
		err, n := s.writeErr(), h.credit(len(h.kept))
		if err != nil || n > 0 {
			h.blocked = false
			s.mu.Unlock()
			return n, err
		}
		h.blocked = true
		if s.overdueAt.Load() == 0 {
			// The update that ends the wait could be lost: ask for it.
			s.expectAck()
		}
		token := s.writable.arm()
		s.mu.Unlock()
		if err := s.wait(token, &s.wdl); err != nil {
			s.mu.Lock()
			h.blocked = false // nobody waits: the peer need not be asked
			s.mu.Unlock()
			return 0, err
		}
	}
}

// writeErr says why nothing more can be written. The caller holds mu.
func (s *Stream) writeErr() error {
	switch {
	case s.cause != nil:
		return s.cause
	case s.send.stopped:
		return ErrStopped
	case s.send.fin || s.removed:
		return ErrWriteAfterClose
	}
	return nil
}

// expectAck notes when the peer is to be asked for its position. The caller
// holds mu.
func (s *Stream) expectAck() {
	s.send.askAfter = int64(probeAfter)
	s.overdueAt.Store(s.peer.ep.now() + s.send.askAfter)
}

// commit gives f its place in the direction, keeps it and sends it. It takes f
// over. The caller holds wmu and has seen enough credit for it.
func (s *Stream) commit(f *frame, flags uint8) error {
	n := len(f.payload())
	if n > smallFrame {
		if err := s.reserve(n); err != nil {
			f.free()
			return err
		}
		f.bulk = n
	}
	s.mu.Lock()
	if err := s.writeErr(); err != nil {
		s.mu.Unlock()
		s.peer.release(f.bulk)
		f.free()
		return err
	}
	s.place(f, flags)
	if s.send.resending { // what is sent again goes first
		s.mu.Unlock()
		return nil
	}
	f.sends++
	s.mu.Unlock()

	s.peer.send(f.buf)
	s.handedOver(f, n)
	return nil
}

// handedOver ends a send of f, with n bytes of payload, that was announced by
// f.sends++.
func (s *Stream) handedOver(f *frame, n int) {
	var at int64
	if n > smallFrame {
		at = s.peer.ep.now()
	}
	s.mu.Lock()
	f.sentAt = at
	f.sent()
	s.mu.Unlock()
}

// reserve waits for n bytes of the peer's budget.
func (s *Stream) reserve(n int) error {
	if s.peer.reserve(s, n) {
		return nil
	}
	for {
		s.mu.Lock()
		err, token := s.writeErr(), s.writable.arm()
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
func (s *Stream) place(f *frame, flags uint8) {
	h, r := &s.send, &s.recv
	subjects.PutData(f.buf, subjects.Data{
		Flags: flags, Stream: s.id, Offset: h.next, Ack: r.tell(), Limit: r.limit,
	})
	if flags&subjects.DataTrailer == 0 {
		h.next += uint64(len(f.payload()))
	}
	if flags&subjects.DataFin != 0 {
		h.next++
		h.fin = true
	}
	f.end = h.next
	h.blocked = false
	h.kept = append(h.kept, f)
	if s.overdueAt.Load() == 0 {
		s.expectAck()
	}
}
