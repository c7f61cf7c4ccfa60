package frame

import (
	"sync"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/flow"
)

// Frame is a DATA frame that is kept until the peer has acknowledged it. The
// caller guards it with a lock; only Buf is read without it, between BeginSend
// and EndSend.
type Frame struct {
	Buf []byte // header and payload; not changed once the frame has been sent
	End uint64 // offset after the payload, and after the FIN if it has one
	// Bulk is how many bytes count as in flight to the peer. Each copy that may
	// still be on its way counts.
	Bulk int
	// SentAt is when the last copy had been handed to the link, in the caller's
	// nanoseconds; 0 if the caller does not need it, and for a frame never sent.
	SentAt int64

	sends int  // sends under way
	freed bool // by Free, while a send was under way
	class int8 // index of classSize
}

// classSize are the sizes of frame buffers. Most unary messages fit the first;
// an idle watch holds the second while it waits for its next event.
var classSize = [...]int{flow.FrameCredit, 4<<10 + subjects.DataHeaderLen, subjects.MaxMessage}

var pools [len(classSize)]sync.Pool

// New returns a frame with room for at least n payload bytes,
// n <= subjects.MaxPayload. Payload gives all the room that there is.
func New(n int) *Frame {
	c := 0
	for n+subjects.DataHeaderLen > classSize[c] {
		c++
	}
	f, _ := pools[c].Get().(*Frame)
	if f == nil {
		f = &Frame{Buf: make([]byte, classSize[c]), class: int8(c)}
	}
	f.Buf = f.Buf[:cap(f.Buf)]
	return f
}

// Payload returns the bytes after the header.
func (f *Frame) Payload() []byte { return f.Buf[subjects.DataHeaderLen:] }

// SetLen cuts the payload to n bytes.
func (f *Frame) SetLen(n int) { f.Buf = f.Buf[:subjects.DataHeaderLen+n] }

// BeginSend announces a send, which reads Buf without the lock. EndSend must
// follow.
func (f *Frame) BeginSend() { f.sends++ }

// EndSend ends a send. The frame must not be used afterwards if it was freed
// meanwhile.
func (f *Frame) EndSend() {
	f.sends--
	if f.sends == 0 && f.freed {
		f.freed = false
		f.Free()
	}
}

// Freed reports whether Free was called during the send that is under way.
func (f *Frame) Freed() bool { return f.freed }

// Gone reports whether no copy of f is on its way, given that all that was
// handed to the link by the time drained has left it.
func (f *Frame) Gone(drained int64) bool { return f.sends == 0 && f.SentAt <= drained }

// Free returns the frame to its pool: now, or at the end of the last send under
// way. The caller no longer uses it, except to end its sends.
func (f *Frame) Free() {
	if f.sends > 0 {
		f.freed = true
		return
	}
	buf, class := f.Buf, f.class
	*f = Frame{Buf: buf, class: class}
	pools[class].Put(f)
}
