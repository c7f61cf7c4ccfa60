package parting

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Status codes of a close frame (RFC 6455 section 7.4.1).
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closePolicy    = 1008
)

// GoingAway is the close frame of a server that stops. Clients of a watch connect
// again and resume it. It is not changed.
var GoingAway = closeFrame(closeGoingAway, "")

// maxCloseReason is the largest reason in bytes: a control frame has at most 125,
// two of which are the code (RFC 6455 section 5.5).
const maxCloseReason = 123

// closeFrame is a close frame of a server. A reason that is too long is cut.
func closeFrame(code uint16, reason string) []byte {
	if len(reason) > maxCloseReason {
		reason = strings.ToValidUTF8(reason[:maxCloseReason], "")
	}
	b := []byte{0x88, byte(2 + len(reason))}
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}

// errorChannel is the channel of an exec or attach that carries its outcome, a
// Status in JSON, in the subprotocols v4.channel.k8s.io and v5.channel.k8s.io.
const errorChannel = 3

// hasErrorChannel reports whether a WebSocket subprotocol has it.
func hasErrorChannel(subprotocol string) bool {
	return subprotocol == "v4.channel.k8s.io" || subprotocol == "v5.channel.k8s.io"
}

// channelFrame is a binary message of a server on a channel.
func channelFrame(channel byte, payload []byte) []byte {
	return binaryFrame(append([]byte{channel}, payload...))
}

// binaryFrame is a binary message of a server.
func binaryFrame(payload []byte) []byte {
	b := []byte{0x82}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// WebSocket follows the frames that a server sends, to know whether another may be sent
// between them (RFC 6455 section 5.2).
type WebSocket struct {
	subprotocol string
	head        [14]byte // of the frame under way, as far as it has come
	n           int      // bytes of head
	left        uint64   // bytes of the payload that are still to come
	more        bool     // another fragment of a message is still to come
}

// NewWebSocket is at the beginning of a server's first frame. subprotocol is that of the
// 101, "" if it has none.
func NewWebSocket(subprotocol string) *WebSocket { return &WebSocket{subprotocol: subprotocol} }

// Patience implements [Framing].
func (f *WebSocket) Patience() time.Duration { return 0 }

// Last implements [Framing]: on an exec or attach the Status in its own channel, so that
// kubectl shows it; otherwise a close frame with the reason.
func (f *WebSocket) Last(reason *answer.Failure, requestID string) []byte {
	if hasErrorChannel(f.subprotocol) {
		if status, err := json.Marshal(reason.AsStatus(requestID)); err == nil {
			// client-go drops the Status if another code than this one follows.
			return append(channelFrame(errorChannel, status), closeFrame(closeNormal, "")...)
		}
	}
	return closeFrame(closePolicy, reason.Detail)
}

// FromClient implements [Framing].
func (f *WebSocket) FromClient([]byte) {}

// Pass implements [Framing].
func (f *WebSocket) Pass(b []byte) {
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
			if opcode := f.head[0] & 0x0f; opcode < 8 { // not a control frame
				f.more = f.head[0]&0x80 == 0
			}
		}
	}
}

// length returns the payload's length once the frame's head is complete.
func (f *WebSocket) length() (n uint64, ok bool) {
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

// Between implements [Framing].
func (f *WebSocket) Between() bool {
	return f.n == 0 && f.left == 0 && !f.more
}
