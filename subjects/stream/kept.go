package stream

import (
	"sync"

	"github.com/fairlead-io/fairlead/subjects"
)

// frame is a DATA frame that is kept until the peer has acknowledged it.
// Fields are guarded by the stream's mu; buf is not changed after commit.
type frame struct {
	buf   []byte // header and payload
	end   uint64 // offset after the payload, and after the FIN if it has one
	sends int    // sends under way, which read buf without the lock
	freed bool   // acknowledged while a send was under way
	bulk  int    // bytes counted as in flight to the peer; each copy that may be on its way counts
	// sentAt is when the last copy had been handed to the link, in the
	// endpoint's nanoseconds; 0 for a small frame, and for one never sent.
	sentAt int64
	class  int8
}

// The sizes of frame buffers. Most unary messages fit the first; an idle
// watch holds the second while it waits for its next event.
var classSize = [...]int{1 << 10, 4<<10 + subjects.DataHeaderLen, subjects.MaxMessage}

var framePools [len(classSize)]sync.Pool

// newFrame returns a frame with room for at least n payload bytes,
// n <= subjects.MaxPayload.
func newFrame(n int) *frame {
	c := 0
	for n+subjects.DataHeaderLen > classSize[c] {
		c++
	}
	f, _ := framePools[c].Get().(*frame)
	if f == nil {
		f = &frame{buf: make([]byte, classSize[c]), class: int8(c)}
	}
	f.buf = f.buf[:cap(f.buf)]
	return f
}

func (f *frame) payload() []byte { return f.buf[subjects.DataHeaderLen:] }

func (f *frame) setLen(n int) { f.buf = f.buf[:subjects.DataHeaderLen+n] }

// bulk returns how many of a frame's n payload bytes count as in flight: a
// small frame never waits for the budget, and takes nothing of it.
func bulk(n int) int {
	if n > smallFrame {
		return n
	}
	return 0
}

// gone reports whether no copy of f is on its way: each had been handed to the
// link before drained.
func (f *frame) gone(drained int64) bool { return f.sends == 0 && f.sentAt <= drained }

// free returns f to its pool, at the end of the last send under way.
func (f *frame) free() {
	if f.sends > 0 {
		f.freed = true
		return
	}
	buf, class := f.buf, f.class
	*f = frame{buf: buf, class: class}
	framePools[class].Put(f)
}

// sent ends a send that was announced by f.sends++.
func (f *frame) sent() {
	f.sends--
	if f.sends == 0 && f.freed {
		f.freed = false
		f.free()
	}
}
