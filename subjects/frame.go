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

// Flags of a DATA frame. Those of the low nibble change what the frame means:
// one that is not known is an error. Those of the high nibble are hints: one
// that is not known is ignored, so that a newer peer may give it.
const (
	// DataOpen marks a frame at offset 0 sent by the side that opens streams.
	DataOpen = 1 << 0
	// DataFin marks the last bytes of a direction. The end itself takes one
	// offset (as in TCP), so that it can be acknowledged.
	DataFin = 1 << 1
	// DataTrailer says that the payload of a FIN frame is not body bytes but
	// the trailer; it takes no offsets.
	DataTrailer = 1 << 2
)

const (
	dataFlags     = DataOpen | DataFin | DataTrailer
	criticalFlags = 0x0f
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

// ErrFrame is wrapped by every error of [ParseFrame].
var ErrFrame = errors.New("malformed frame")

// ErrVersion is returned for a frame of a protocol version that this code does
// not speak. The stream id of a DATA frame can still be read: bytes 2 to 9 of
// DATA and RESET frames stay in place in every version.
var ErrVersion = errors.New("unsupported protocol version")

const (
	dataHeaderLen  = 34
	resetHeaderLen = 12
	ackEntryLen    = 25
	probeEntryLen  = 32
	pingLen        = 18
)

// DataHeaderLen is how many bytes a DATA frame has before its payload.
const DataHeaderLen = dataHeaderLen

// Data is the header of a DATA frame.
type Data struct {
	Flags  uint8
	Stream uint64
	Offset uint64 // of the first payload byte in this direction
	Ack    uint64 // every offset of the other direction below it has arrived
	Limit  uint64 // offsets of the other direction below it may be sent
}

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

// PutData writes the header of a DATA frame into the first [DataHeaderLen]
// bytes of b; the payload follows it.
//
//	byte 0       version << 4 | 1
//	byte 1       flags
//	bytes 2-9    stream      (big endian, as all numbers)
//	bytes 10-17  offset
//	bytes 18-25  ack
//	bytes 26-33  limit
//	bytes 34-    payload
func PutData(b []byte, d Data) {
	_ = b[dataHeaderLen-1]
	b[0] = Version<<4 | byte(FrameData)
	b[1] = d.Flags
	binary.BigEndian.PutUint64(b[2:], d.Stream)
	binary.BigEndian.PutUint64(b[10:], d.Offset)
	binary.BigEndian.PutUint64(b[18:], d.Ack)
	binary.BigEndian.PutUint64(b[26:], d.Limit)
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

// ParseData parses a DATA frame; payload aliases b. Unknown hints are left out
// of the flags.
func ParseData(b []byte) (d Data, payload []byte, err error) {
	if len(b) < dataHeaderLen {
		return Data{}, nil, fmt.Errorf("%w: DATA of %d bytes", ErrFrame, len(b))
	}
	d = Data{
		Flags:  b[1],
		Stream: binary.BigEndian.Uint64(b[2:]),
		Offset: binary.BigEndian.Uint64(b[10:]),
		Ack:    binary.BigEndian.Uint64(b[18:]),
		Limit:  binary.BigEndian.Uint64(b[26:]),
	}
	payload = b[dataHeaderLen:]
	switch {
	case d.Stream == 0:
		err = fmt.Errorf("%w: DATA for stream 0", ErrFrame)
	case d.Flags&criticalFlags&^dataFlags != 0:
		err = fmt.Errorf("%w: DATA flags %#x", ErrFrame, d.Flags)
	case d.Flags&DataOpen != 0 && d.Offset != 0:
		err = fmt.Errorf("%w: OPEN at offset %d", ErrFrame, d.Offset)
	case d.Flags&(DataOpen|DataFin) == DataOpen && len(payload) == 0:
		err = fmt.Errorf("%w: OPEN without bytes or end", ErrFrame)
	case d.Flags&DataTrailer != 0 && d.Flags&(DataFin|DataOpen) != DataFin:
		err = fmt.Errorf("%w: trailer without FIN", ErrFrame)
	case d.Flags&DataTrailer != 0 && len(payload) > MaxTrailer:
		err = fmt.Errorf("%w: trailer of %d bytes, at most %d allowed", ErrFrame, len(payload), MaxTrailer)
	case d.Offset > maxOffset || d.Ack > maxOffset || d.Limit > maxOffset:
		err = fmt.Errorf("%w: offset beyond 2^62", ErrFrame)
	}
	if err != nil {
		return Data{}, nil, err
	}
	d.Flags &= dataFlags
	return d, payload, nil
}

// maxOffset keeps sums of offsets and lengths far from overflow.
const maxOffset = 1 << 62

// ParseStream reads the stream id of a DATA or RESET frame of any version.
func ParseStream(b []byte) (uint64, bool) {
	if len(b) < 10 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[2:]), true
}

// ParseAcks calls f for each entry of an ACK frame. Nothing is called for a
// malformed frame.
func ParseAcks(b []byte, f func(Ack)) error {
	if len(b) < 2 || (len(b)-2)%ackEntryLen != 0 {
		return fmt.Errorf("%w: ACK of %d bytes", ErrFrame, len(b))
	}
	for e := b[2:]; len(e) > 0; e = e[ackEntryLen:] {
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
	if len(b) < 2 || (len(b)-2)%probeEntryLen != 0 {
		return fmt.Errorf("%w: PROBE of %d bytes", ErrFrame, len(b))
	}
	for e := b[2:]; len(e) > 0; e = e[probeEntryLen:] {
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

func appendStream(b []byte, id uint64) []byte { return strconv.AppendUint(b, id, 36) }

func parseStream(s string) (uint64, bool) {
	id, err := strconv.ParseUint(s, 36, 64)
	return id, err == nil
}
