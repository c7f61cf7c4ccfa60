package tunnel

import "encoding/binary"

// goingAway is a WebSocket close frame of a server with status 1001 (RFC 6455,
// sections 5.5.1 and 7.4.1): the peer is going away. Clients of a watch connect
// again and resume it.
var goingAway = []byte{0x88, 0x02, 0x03, 0xe9}

// webSocketFrames follows the frames that a server sends, to know whether another
// may be sent between them (RFC 6455 section 5.2). The zero value is at the
// beginning of the first one.
type webSocketFrames struct {
	head [14]byte // of the frame under way, as far as it has come
	n    int      // bytes of head
	left uint64   // bytes of the payload that are still to come
}

// pass notes bytes that were sent.
func (f *webSocketFrames) pass(b []byte) {
	for len(b) > 0 {
		if f.left > 0 {
			k := min(f.left, uint64(len(b)))
			f.left -= k
			b = b[k:]
			continue
		}
		f.head[f.n] = b[0]
		f.n++
		b = b[1:]
		if length, ok := f.length(); ok {
			f.left, f.n = length, 0
		}
	}
}

// length returns the payload's length once the frame's head is complete.
func (f *webSocketFrames) length() (n uint64, ok bool) {
	if f.n < 2 {
		return 0, false
	}
	size, short := 2, uint64(f.head[1]&0x7f)
	switch short {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	lengthEnd := size
	if f.head[1]&0x80 != 0 { // masked, as no server's frames should be
		size += 4
	}
	if f.n < size {
		return 0, false
	}
	switch short {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:lengthEnd])), true
	case 127:
		return binary.BigEndian.Uint64(f.head[2:lengthEnd]), true
	}
	return short, true
}

// between reports whether the last frame has come to its end.
func (f *webSocketFrames) between() bool { return f != nil && f.n == 0 && f.left == 0 }
