package subjects

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Version is the newest protocol version that this code speaks and MinVersion
// the oldest. An agent announces both in its presence; a bridge uses the
// newest that both know. See PROTOCOL.md, "Versions".
const (
	Version    = 1
	MinVersion = 1
)

// FrameType is the low nibble of a frame's first byte.
type FrameType uint8

// The frame types. Their layouts are given with the Append functions.
const (
	FrameData  FrameType = 1 // bytes of one stream, and its opening and end
	FrameAck   FrameType = 2 // receive positions and credit of many streams
	FrameProbe FrameType = 3 // send positions of many streams, asks for acks
	FrameReset FrameType = 4 // ends a stream abruptly, with a cause
	FramePing  FrameType = 5 // asks a peer for a sign of life
	FramePong  FrameType = 6 // answers a ping
)

func (t FrameType) String() string {
	switch t {
	case FrameData:
		return "DATA"
	case FrameAck:
		return "ACK"
	case FrameProbe:
		return "PROBE"
	case FrameReset:
		return "RESET"
	case FramePing:
		return "PING"
	case FramePong:
		return "PONG"
	}
	return "type " + strconv.Itoa(int(t))
}

// ErrFrame is wrapped by the errors of the Parse functions for frames.
var ErrFrame = errors.New("malformed frame")

// ErrVersion is returned for a frame of a protocol version that this code does
// not speak. The stream id of a DATA frame can still be read: bytes 2 to 9 of
// DATA and RESET frames stay in place in every version.
var ErrVersion = errors.New("unsupported protocol version")

// ParseType returns the type of the frame in b. The error wraps [ErrFrame] or
// [ErrVersion]; the type is given with it where there is one.
func ParseType(b []byte) (FrameType, error) {
	if len(b) < 2 {
		return 0, fmt.Errorf("%w: %d bytes", ErrFrame, len(b))
	}
	t := FrameType(b[0] & 0x0f)
	if v := b[0] >> 4; v < MinVersion || v > Version {
		return t, fmt.Errorf("%w %d", ErrVersion, v)
	}
	if len(b) > MaxMessage {
		return t, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrFrame, len(b), MaxMessage)
	}
	return t, nil
}

// ParseStream reads the stream id of a DATA or RESET frame of any version.
func ParseStream(b []byte) (uint64, bool) {
	if len(b) < 10 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[2:]), true
}
