package wire

import (
	"encoding/binary"
	"errors"
)

// The parts of a WebSocket frame's head (RFC 6455 section 5.2).
const (
	bitFin       = 0x80
	bitsReserved = 0x70
	bitMask      = 0x80
	opContinue   = 0x0
	opText       = 0x1
	opBinary     = 0x2
	opClose      = 0x8
	opPing       = 0x9
	opPong       = 0xa
	maxFrameHead = 14
	maxShort     = 125 // bytes of a control frame's payload
)

var (
	errReserved = errors.New("WebSocket frame with reserved bits: an extension was negotiated")
	errOpcode   = errors.New("WebSocket frame with an unknown opcode")
	errMask     = errors.New("WebSocket frame that is masked in the wrong direction")
	errControl  = errors.New("WebSocket control frame that is too long or in fragments")
	errLength   = errors.New("WebSocket frame with an impossible length")
	errSequence = errors.New("WebSocket frame out of sequence")
	// The servers of Kubernetes take each frame for a message.
	errFragments = errors.New("WebSocket message of the client in fragments, which servers read in different ways")
)

// frames reads the WebSocket frames of one direction. The zero value is at the
// beginning of a frame.
type frames struct {
	masked bool // as those of a client are
	whole  bool // messages in fragments are refused

	head   [maxFrameHead]byte
	n      int    // bytes of head
	in     bool   // in a payload, of which left bytes are to come
	left   uint64 // likewise
	at     int    // position in the mask
	inside bool   // a message has begun, and has not ended

	// skip returns how many of the next n bytes of messages need not be passed on; nil:
	// none.
	skip  func(n int) int
	clear [1 << 10]byte // bytes without the mask
}

// rest is [Parser.Rest].
func (f *frames) rest() int {
	switch {
	case f.in:
		return int(min(f.left, 1<<20))
	case f.n > 0 || f.inside:
		return 1 // of a head
	}
	return 0
}

func (f *frames) control() bool { return f.head[0]&0x08 != 0 }
func (f *frames) fin() bool     { return f.head[0]&bitFin != 0 }
func (f *frames) opcode() byte  { return f.head[0] & 0x0f }

// piece is a part of a message.
type piece struct {
	data []byte // without the mask
	ends bool   // the message ends after it
}

// feed reads bytes and passes the parts of messages on. Control frames are left out.
func (f *frames) feed(b []byte, pass func(piece) error) error {
	for len(b) > 0 {
		if !f.in {
			f.head[f.n] = b[0]
			f.n++
			b = b[1:]
			done, err := f.begin()
			if err != nil {
				return err
			}
			if !done {
				continue
			}
		}
		k := int(min(f.left, uint64(len(b))))
		f.left -= uint64(k)
		if err := f.payload(b[:k], pass); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// begin looks at the head as far as it has come, and reports whether it is complete.
func (f *frames) begin() (done bool, err error) {
	if f.n < 2 {
		return false, nil
	}
	size, short := 2, uint64(f.head[1]&^bitMask)
	switch short {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.n == 2 {
		if err := f.check(short); err != nil {
			return false, err
		}
	}
	end := size
	if f.masked {
		end += 4
	}
	if f.n < end {
		return false, nil
	}
	switch short {
	case 126:
		short = uint64(binary.BigEndian.Uint16(f.head[2:size]))
	case 127:
		if short = binary.BigEndian.Uint64(f.head[2:size]); short>>63 != 0 {
			return false, errLength
		}
	}
	copy(f.head[2:6], f.head[size:end]) // the mask, where payload finds it
	f.in, f.left, f.at = true, short, 0
	return true, nil
}

// check looks at the first two bytes of a head.
func (f *frames) check(short uint64) error {
	switch f.opcode() {
	case opContinue, opText, opBinary, opClose, opPing, opPong:
	default:
		return errOpcode
	}
	switch {
	case f.head[0]&bitsReserved != 0:
		return errReserved
	case (f.head[1]&bitMask != 0) != f.masked:
		return errMask
	case f.control() && (short > maxShort || !f.fin()):
		return errControl
	case !f.control() && (f.opcode() == opContinue) != f.inside:
		return errSequence
	case f.whole && !f.control() && !f.fin():
		return errFragments
	}
	return nil
}

// payload takes bytes of a payload, and ends the frame with its last one.
func (f *frames) payload(b []byte, pass func(piece) error) error {
	ends := f.left == 0
	if ends {
		f.in, f.n = false, 0
	}
	if f.control() {
		return nil
	}
	if ends {
		f.inside = !f.fin()
	}
	ends = ends && f.fin()
	if !f.masked {
		return pass(piece{b, ends})
	}
	for {
		if f.skip != nil {
			k := f.skip(len(b))
			f.at += k
			b = b[k:]
		}
		k := min(len(b), len(f.clear))
		for i := range k {
			f.clear[i] = b[i] ^ f.head[2+f.at&3]
			f.at++
		}
		last := k == len(b)
		if err := pass(piece{f.clear[:k], ends && last}); err != nil || last {
			return err
		}
		b = b[k:]
	}
}
