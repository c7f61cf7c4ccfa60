package resume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// kind is the first byte of a message.
type kind byte

const (
	data     kind = 1
	consumed kind = 2
	half     kind = 3
	closed   kind = 4
	broken   kind = 5
	ping     kind = 6
)

const (
	// Window bounds in bytes what one direction has sent and the other end has not
	// consumed, and so the memory of each end: a shell's output for as long as its user
	// has no network, or 100 ms of a connection with 10 MiB/s.
	Window = 1 << 20
	// Hold is how long the bridge keeps a connection without an attachment, and so how
	// long a client tries to attach: a walk between two networks, or a lid that was closed
	// for a moment.
	Hold = 2 * time.Minute
	// maxData is the most that one message has of the stream, in bytes.
	maxData = 32 << 10
	// MaxMessage bounds a message in bytes.
	MaxMessage = 1 + binary.MaxVarintLen64 + maxData
	// maxReason bounds the text of a connection that broke, in bytes.
	maxReason = 1 << 10
	// ackAfter is how many consumed bytes are told at once: often enough that the
	// window never closes for a reader that keeps up.
	ackAfter = Window / 8
)

// ErrProtocol is wrapped where the peer sent what none of its kind sends.
var ErrProtocol = errors.New("the other end of the connection broke its protocol")

// message is one that has arrived. Its bytes are parts of what was received.
type message struct {
	kind   kind
	offset uint64
	rest   []byte
}

func parse(b []byte) (message, error) {
	if len(b) == 0 || len(b) > MaxMessage {
		return message{}, fmt.Errorf("%w: a message of %d bytes", ErrProtocol, len(b))
	}
	m := message{kind: kind(b[0])}
	if m.kind == 0 || m.kind > ping {
		return message{}, fmt.Errorf("%w: a message of kind %d", ErrProtocol, b[0])
	}
	if m.kind == ping {
		return m, nil
	}
	n := 0
	if m.offset, n = binary.Uvarint(b[1:]); n <= 0 {
		return message{}, fmt.Errorf("%w: a message without an offset", ErrProtocol)
	}
	m.rest = b[1+n:]
	return m, nil
}

// header appends what every message but a ping begins with.
func header(b []byte, k kind, offset uint64) []byte {
	return binary.AppendUvarint(append(b, byte(k)), offset)
}
