package stream

import (
	"fmt"
	"io"
	"os"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/frame"
)

// Write sends b, waiting for credit as needed, as in [io.Writer]. The bytes that it
// has taken are delivered even if the link is lost meanwhile.
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
// direction continues.
func (s *Stream) CloseWrite() error { return s.WriteFinal(nil) }

// CloseWriteTrailer is CloseWrite with a trailer of at most
// subjects.MaxTrailer bytes.
func (s *Stream) CloseWriteTrailer(trailer []byte) error {
	if len(trailer) > subjects.MaxTrailer {
		return fmt.Errorf("trailer of %d bytes: %w", len(trailer), subjects.ErrHeadTooLarge)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	f := frame.New(len(trailer))
	f.SetLen(copy(f.Payload(), trailer))
	return s.commit(f, subjects.DataFin|subjects.DataTrailer)
}

// ReadFrom sends all bytes of r, each piece as soon as it has been read, until r's
// end or an error; it does not send the end of the direction. Each piece is read
// straight into the frame that carries it.
func (s *Stream) ReadFrom(r io.Reader) (int64, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	var total int64
	want := 2 << 10 // an idle watch holds a small buffer; a full buffer is followed by a larger one
	for empty := 0; empty < 100; {
		credit, err := s.credit()
		if err != nil {
			return total, err
		}
		f := frame.New(min(want, subjects.MaxPayload))
		p := f.Payload()
		p = p[:min(len(p), credit)]
		n, rerr := r.Read(p)
		if n < 0 || n > len(p) {
			f.Free()
			return total, io.ErrNoProgress
		}
		if n == len(p) {
			want = min(len(p)*8, subjects.MaxPayload)
		} else if n < want/16 {
			want = 2 << 10
		}
		if n == 0 {
			f.Free()
			empty++
		} else {
			empty = 0
			f.SetLen(n)
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

// Flush waits until all written bytes have arrived at the peer. From then on they
// can be read there even after a [Stream.Reset] by this side. Flush does not wait
// for the reader. It fails with the terminal cause, with [ErrStopped] if the peer
// has stopped reading, and with os.ErrDeadlineExceeded at the write deadline.
func (s *Stream) Flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for {
		s.mu.Lock()
		h := &s.send
		switch {
		case s.cause != nil, h.stopped:
			err := s.writeErr()
			s.mu.Unlock()
			return err
		case h.Acked == h.Next:
			s.mu.Unlock()
			return nil
		}
		h.flushing = true
		token := s.writable.Arm()
		s.mu.Unlock()
		if err := s.wait(token, &s.wdl); err != nil {
			return err
		}
	}
}

// write sends b, and the end of the direction if fin is set. The caller holds wmu.
func (s *Stream) write(b []byte, fin bool) (int, error) {
	if len(b) > 0 && s.wdl.Passed() { // the end alone never waits
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
		f := frame.New(n)
		f.SetLen(copy(f.Payload(), b[sent:sent+n]))
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

// credit waits until at least one byte may be sent, and returns how many may. The
// caller holds wmu, so nobody else uses the credit up.
func (s *Stream) credit() (int, error) {
	for {
		s.mu.Lock()
		h := &s.send
		err, n := s.writeErr(), h.Credit(len(h.kept))
		if err != nil || n > 0 {
			h.blocked = false
			s.mu.Unlock()
			return n, err
		}
		h.blocked = true
		if s.overdueAt.Load() == 0 {
			// The message that ends the wait could be lost, so the peer is asked.
			s.expectAck()
		}
		token := s.writable.Arm()
		s.mu.Unlock()
		if err := s.wait(token, &s.wdl); err != nil {
			s.mu.Lock()
			h.blocked = false // no writer waits: the peer need not be asked
			s.mu.Unlock()
			return 0, err
		}
	}
}

// writeErr returns why nothing more can be written, or nil. The caller holds mu.
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
