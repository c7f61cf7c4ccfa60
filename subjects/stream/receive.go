package stream

import (
	"io"
	"os"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/flow"
)

// recvHalf is the state of the receiving direction, guarded by Stream.mu. Its
// methods are arithmetic.
type recvHalf struct {
	flow.RecvWindow
	queue    [][]byte // arrived and not yet read
	queueBuf [1][]byte
	head     int    // first used index of queue
	buffered int    // bytes in queue
	next     uint64 // the offset expected next
	fin      bool   // the end has arrived
	stopped  bool   // no more bytes are wanted
	trailer  []byte
	acked    uint64 // the position last acknowledged
	frames   int    // messages that have arrived since then
	owing    bool   // the position must be acknowledged even if it has been before
	dropped  bool   // this side has reset the stream: nothing more can be read
	gapAt    int64  // when a gap at next was last reported
	gapNext  uint64 // next at that time
	stopAt   int64  // when STOP was last sent
}

// position is the position to acknowledge: the end counts as one byte.
func (r *recvHalf) position() uint64 {
	if r.fin {
		return r.next + 1
	}
	return r.next
}

func (r *recvHalf) done() bool { return r.fin || r.stopped }

func (r *recvHalf) drop() { r.queue, r.head, r.buffered = nil, 0, 0 }

// abandon drops what has arrived, so that readers get the terminal cause.
func (r *recvHalf) abandon() {
	r.drop()
	r.dropped = true
}

// tell returns the position, and notes that it is acknowledged.
func (r *recvHalf) tell() uint64 {
	r.acked, r.frames, r.owing = r.position(), 0, false
	return r.acked
}

// verdict is what recvHalf makes of an arriving frame.
type verdict int

const (
	took     verdict = iota // new bytes or the end
	repeated                // nothing new: the sender needs an acknowledgement
	gap                     // bytes before it are missing
	overrun                 // beyond the credit or the end: the peer breaks the protocol
)

// accept takes an arriving frame. It keeps payload.
func (r *recvHalf) accept(d *subjects.Data, payload []byte) verdict {
	fin := d.Flags&subjects.DataFin != 0
	trailer := d.Flags&subjects.DataTrailer != 0
	n := uint64(len(payload))
	if trailer {
		n = 0
	}
	end := d.Offset + n
	switch {
	case r.fin:
		if end > r.next {
			return overrun // bytes after the end
		}
		return repeated
	case end > r.Limit:
		return overrun
	case d.Offset > r.next:
		return gap
	case end <= r.next && (!fin || end < r.next):
		return repeated
	}
	if trailer {
		r.trailer = payload
	} else if fresh := payload[r.next-d.Offset:]; len(fresh) > 0 && !r.stopped {
		r.push(fresh)
	}
	r.frames++
	r.next = end
	r.fin = fin
	return took
}

// push appends to the queue. Many small pieces are gathered into one, so that
// their overhead in memory stays in proportion to the window.
func (r *recvHalf) push(b []byte) {
	r.buffered += len(b)
	gather := false
	if last := len(r.queue) - 1; last-r.head >= 8 && len(b) <= 1<<10 {
		if tail := r.queue[last]; cap(tail)-len(tail) >= len(b) {
			r.queue[last] = append(tail, b...)
			return
		}
		b, gather = append(make([]byte, 0, 4<<10), b...), true
	}
	if r.head > 0 && len(r.queue) == cap(r.queue) {
		r.queue = append(r.queue[:0], r.queue[r.head:]...)
		r.head = 0
	}
	// The capacity is cut so that gathering never writes into a message.
	if !gather {
		b = b[:len(b):len(b)]
	}
	r.queue = append(r.queue, b)
}

// pop removes up to limit bytes from the front of the queue.
func (r *recvHalf) pop(limit int) []byte {
	b := r.queue[r.head]
	if len(b) > limit {
		r.queue[r.head] = b[limit:]
		b = b[:limit:limit]
	} else {
		r.queue[r.head] = nil
		r.head++
		if r.head == len(r.queue) {
			r.queue, r.head = r.queue[:0], 0
		}
	}
	r.buffered -= len(b)
	r.Read += uint64(len(b))
	return b
}

// Read reads into b, as in [io.Reader]. Bytes that have arrived can be read even
// if the peer has reset the stream since, or was lost. After them Read returns
// io.EOF if the peer's end has arrived too, and a [subjects.ResetError] otherwise.
// After a reset by this side nothing can be read.
func (s *Stream) Read(b []byte) (int, error) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if s.rdl.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	if len(b) == 0 {
		return 0, nil
	}
	c, err := s.take(len(b))
	return copy(b, c), err
}

// Next returns the next bytes that have arrived, without copying; the caller may
// keep them. Otherwise it is like Read.
func (s *Stream) Next() ([]byte, error) {
	s.rmu.Lock()
	defer s.rmu.Unlock()
	return s.take(subjects.MaxMessage)
}

// WriteTo writes all arriving bytes to w, until the end. A write error does not
// reset the stream.
func (s *Stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := s.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite // the rest of b could not be read again
		}
		if err != nil {
			return total, err
		}
	}
}

// Buffered returns how many bytes can be read without waiting.
func (s *Stream) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recv.buffered
}

// Ended reports whether the peer's end has arrived and every byte before it has
// been read.
func (s *Stream) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recv.fin && s.recv.buffered == 0
}

// Trailer returns the trailer that the peer passed to CloseWriteTrailer; nil before
// io.EOF.
func (s *Stream) Trailer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recv.buffered > 0 {
		return nil
	}
	return s.recv.trailer
}

// StopReading notifies the peer that no more of its bytes are wanted. That is not
// an error: the other direction continues.
func (s *Stream) StopReading() {
	s.mu.Lock()
	if s.cause != nil || s.removed || s.recv.done() {
		s.mu.Unlock()
		return
	}
	s.recv.stopped = true
	s.recv.stopAt = s.peer.ep.now()
	s.recv.drop()
	s.readable.Wake()
	s.mu.Unlock()
	s.peer.queueStop(s.id)
	s.removeIfOver()
}

// take waits for bytes and returns up to limit of them. The caller holds rmu.
func (s *Stream) take(limit int) ([]byte, error) {
	for {
		s.mu.Lock()
		r := &s.recv
		switch {
		case r.buffered > 0:
			b := r.pop(limit)
			s.giveBack()
			// Nothing more comes after the end, nor once the stream has ended.
			if r.fin || s.cause != nil || !s.growCredit() {
				s.mu.Unlock()
				return b, nil
			}
			a := subjects.Ack{Stream: s.id, Ack: r.tell(), Limit: r.Limit}
			s.mu.Unlock()
			s.peer.sendAck(a)
			return b, nil
		case s.cause != nil && (!r.fin || r.dropped):
			err := s.cause
			s.mu.Unlock()
			return nil, err
		case r.fin:
			s.mu.Unlock()
			return nil, io.EOF
		case r.stopped:
			s.mu.Unlock()
			return nil, io.ErrClosedPipe
		}
		token := s.readable.Arm()
		s.mu.Unlock()
		if err := s.wait(token, &s.rdl); err != nil {
			return nil, err
		}
	}
}

// growCredit raises the limit when that is due, and the window if the path is long
// and the bound on all grown windows allows it. It reports whether the peer must
// be notified. The caller holds mu.
func (s *Stream) growCredit() bool {
	r, ep := &s.recv, s.peer.ep
	if !r.Due() {
		return false
	}
	if r.Emptied() {
		more := r.Turn(ep.now(), s.peer.rtt.Min(), ep.cfg.Window)
		if ep.grown.Add(int64(more)) <= int64(ep.cfg.GrownWindows) {
			r.Window += more
		} else {
			ep.grown.Add(-int64(more))
		}
	}
	r.Raise()
	return true
}
