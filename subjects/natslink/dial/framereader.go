package dial

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// frameReader takes the payload out of a stream of frames. Its zero value is at the
// beginning of a frame.
type frameReader struct {
	head    [maxHeader]byte
	have    int    // bytes of the next header
	op      byte   // of the frame that is being read
	rest    uint64 // bytes of its payload that are still to come
	partial bool   // a message has begun whose last frame has not
	control []byte // the payload of a control frame, as far as it is there
	end     error  // set once nothing more follows
}

// strip leaves in b only the payload of messages, and returns its size. It calls
// pinged with the payload of each ping, which is overwritten later.
func (r *frameReader) strip(b []byte, pinged func([]byte)) int {
	kept := 0
	for at := 0; at < len(b) && r.end == nil; {
		if r.rest == 0 {
			r.head[r.have] = b[at]
			r.have++
			at++
			if r.begin() {
				r.ended(pinged)
			}
			continue
		}
		n := int(min(r.rest, uint64(len(b)-at)))
		if r.op >= opClose {
			r.control = append(r.control, b[at:at+n]...)
		} else {
			kept += copy(b[kept:], b[at:at+n])
		}
		at += n
		if r.rest -= uint64(n); r.rest == 0 {
			r.ended(pinged)
		}
	}
	return kept
}

// begin looks at the header as far as it is there. It reports whether that is the
// whole frame, which then has no payload.
func (r *frameReader) begin() bool {
	if r.have < 2 {
		return false
	}
	length := uint64(r.head[1] &^ frameMasked)
	switch {
	case length == 126 && r.have < 4, length == 127 && r.have < 10:
		return false
	case length == 126:
		length = uint64(binary.BigEndian.Uint16(r.head[2:]))
	case length == 127:
		length = binary.BigEndian.Uint64(r.head[2:])
	}
	r.have, r.rest, r.op, r.control = 0, length, r.head[0]&0x0f, r.control[:0]
	if r.end = r.check(); r.end != nil {
		return false
	}
	if r.op < opClose {
		r.partial = r.head[0]&frameFinal == 0
	}
	return length == 0
}

// check judges the header of a frame.
func (r *frameReader) check() error {
	control, final := r.op >= opClose, r.head[0]&frameFinal != 0
	switch {
	case r.head[0]&0x70 != 0:
		return malformed("a frame has bits of an extension")
	case r.head[1]&frameMasked != 0:
		return malformed("a frame of the server is masked")
	case r.rest > 1<<62:
		return malformed("a frame's length is out of range")
	case control && (r.rest > maxControl || !final):
		return malformed("a control frame is too long or fragmented")
	case r.op == opContinue && !r.partial, r.op == opBinary && r.partial:
		return malformed("fragments of messages are out of order")
	case r.op == opText:
		return &cause.Failure{Hop: cause.NATS, Cause: cause.NotNATS, Got: "the WebSocket there sends text messages"}
	case r.op != opContinue && r.op != opBinary && r.op != opClose && r.op != opPing && r.op != opPong:
		return malformed(fmt.Sprintf("a frame has opcode %d", r.op))
	}
	return nil
}

// ended acts on a frame that is complete.
func (r *frameReader) ended(pinged func([]byte)) {
	switch r.op {
	case opClose:
		r.end = io.EOF
	case opPing:
		pinged(r.control)
	}
}

func malformed(what string) error {
	return &cause.Failure{Hop: cause.HTTPUpgrade, Cause: cause.ProtocolMismatch, Got: "WebSocket: " + what}
}
