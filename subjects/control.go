package subjects

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Flags of an ACK entry. Unknown ones are ignored. Of several, the first that
// is set counts of CLOSED, UNKNOWN, STOP and GAP.
const (
	// AckGap asks the sender to send again from Ack on.
	AckGap = 1 << 0
	// AckStop says that the receiver wants no more bytes of this direction;
	// those sent count as received.
	AckStop = 1 << 1
	// AckClosed says that the stream has ended here and nothing is kept of it.
	AckClosed = 1 << 2
	// AckUnknown says that the stream was never opened here: what was sent is
	// lost and may be sent again from offset 0.
	AckUnknown = 1 << 3
)

const (
	// AckEntryLen and ProbeEntryLen are the lengths of an entry of an ACK and
	// of a PROBE frame in bytes.
	AckEntryLen   = 25
	ProbeEntryLen = 32

	resetHeaderLen = 12
	pingLen        = 18
)

// Ack is one entry of an ACK frame.
type Ack struct {
	Stream uint64
	Ack    uint64
	Limit  uint64
	Flags  uint8
}

// Probe is one entry of a PROBE frame.
type Probe struct {
	Stream uint64
	Sent   uint64 // every offset below it has been sent (the end included)
	Ack    uint64
	Limit  uint64
}

// Ping is a PING or PONG frame.
type Ping struct {
	Nonce uint64 // returned unchanged
	Floor uint64 // every stream below it has ended at the opening side
}

// AppendAcks appends an ACK frame.
//
//	byte 0   version << 4 | 2
//	byte 1   0
//	then for each entry, 25 bytes: stream, ack, limit (8 each), flags (1)
func AppendAcks(b []byte, acks []Ack) []byte {
	b = append(b, Version<<4|byte(FrameAck), 0)
	for _, a := range acks {
		b = binary.BigEndian.AppendUint64(b, a.Stream)
		b = binary.BigEndian.AppendUint64(b, a.Ack)
		b = binary.BigEndian.AppendUint64(b, a.Limit)
		b = append(b, a.Flags)
	}
	return b
}

// AppendProbes appends a PROBE frame.
//
//	byte 0   version << 4 | 3
//	byte 1   0
//	then for each entry, 32 bytes: stream, sent, ack, limit (8 each)
func AppendProbes(b []byte, probes []Probe) []byte {
	b = append(b, Version<<4|byte(FrameProbe), 0)
	for _, p := range probes {
		b = binary.BigEndian.AppendUint64(b, p.Stream)
		b = binary.BigEndian.AppendUint64(b, p.Sent)
		b = binary.BigEndian.AppendUint64(b, p.Ack)
		b = binary.BigEndian.AppendUint64(b, p.Limit)
	}
	return b
}

// AppendReset appends a RESET frame. Detail beyond [MaxDetail] bytes is cut.
//
//	byte 0       version << 4 | 4
//	byte 1       0
//	bytes 2-9    stream
//	bytes 10-11  code
//	bytes 12-    detail (UTF-8, for logs and people, never parsed)
func AppendReset(b []byte, stream uint64, code Code, detail string) []byte {
	b = append(b, Version<<4|byte(FrameReset), 0)
	b = binary.BigEndian.AppendUint64(b, stream)
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, cutDetail(detail)...)
}

// AppendPing appends a PING or (t == [FramePong]) PONG frame.
//
//	byte 0      version << 4 | 5 or 6
//	byte 1      0
//	bytes 2-9   nonce
//	bytes 10-17 floor
func AppendPing(b []byte, t FrameType, p Ping) []byte {
	b = append(b, Version<<4|byte(t), 0)
	b = binary.BigEndian.AppendUint64(b, p.Nonce)
	return binary.BigEndian.AppendUint64(b, p.Floor)
}

// ParseAcks calls f for each entry of an ACK frame. Nothing is called for a
// malformed frame.
func ParseAcks(b []byte, f func(Ack)) error {
	if len(b) < 2 || (len(b)-2)%AckEntryLen != 0 {
		return fmt.Errorf("%w: ACK of %d bytes", ErrFrame, len(b))
	}
	for e := b[2:]; len(e) > 0; e = e[AckEntryLen:] {
		f(Ack{
			Stream: binary.BigEndian.Uint64(e),
			Ack:    min(binary.BigEndian.Uint64(e[8:]), maxOffset),
			Limit:  min(binary.BigEndian.Uint64(e[16:]), maxOffset),
			Flags:  e[24],
		})
	}
	return nil
}

// ParseProbes calls f for each entry of a PROBE frame. Nothing is called for a
// malformed frame.
func ParseProbes(b []byte, f func(Probe)) error {
	if len(b) < 2 || (len(b)-2)%ProbeEntryLen != 0 {
		return fmt.Errorf("%w: PROBE of %d bytes", ErrFrame, len(b))
	}
	for e := b[2:]; len(e) > 0; e = e[ProbeEntryLen:] {
		f(Probe{
			Stream: binary.BigEndian.Uint64(e),
			Sent:   min(binary.BigEndian.Uint64(e[8:]), maxOffset),
			Ack:    min(binary.BigEndian.Uint64(e[16:]), maxOffset),
			Limit:  min(binary.BigEndian.Uint64(e[24:]), maxOffset),
		})
	}
	return nil
}

// ParseReset parses a RESET frame. Codes that this version does not know are
// returned as they are; detail is cut to [MaxDetail] and made valid UTF-8.
func ParseReset(b []byte) (stream uint64, code Code, detail string, err error) {
	if len(b) < resetHeaderLen {
		return 0, 0, "", fmt.Errorf("%w: RESET of %d bytes", ErrFrame, len(b))
	}
	stream = binary.BigEndian.Uint64(b[2:])
	code = Code(binary.BigEndian.Uint16(b[10:]))
	return stream, code, cutDetail(string(b[resetHeaderLen:min(len(b), resetHeaderLen+MaxDetail)])), nil
}

// ParsePing parses a PING or PONG frame. What a newer peer appends is ignored.
func ParsePing(b []byte) (Ping, error) {
	if len(b) < pingLen {
		return Ping{}, fmt.Errorf("%w: PING of %d bytes", ErrFrame, len(b))
	}
	return Ping{Nonce: binary.BigEndian.Uint64(b[2:]), Floor: binary.BigEndian.Uint64(b[10:])}, nil
}

// cutDetail makes a detail what it may be on the wire: at most [MaxDetail] bytes
// of valid UTF-8.
func cutDetail(s string) string {
	if len(s) > MaxDetail {
		s = s[:MaxDetail]
	}
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "")
}
