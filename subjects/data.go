package subjects

import (
	"encoding/binary"
	"fmt"
)

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

// DataHeaderLen is the length of a DATA frame in bytes before its payload.
const DataHeaderLen = 34

// Data is the header of a DATA frame.
type Data struct {
	Flags  uint8
	Stream uint64
	Offset uint64 // of the first payload byte in this direction
	Ack    uint64 // every offset of the other direction below it has arrived
	Limit  uint64 // offsets of the other direction below it may be sent
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
	_ = b[DataHeaderLen-1]
	b[0] = Version<<4 | byte(FrameData)
	b[1] = d.Flags
	binary.BigEndian.PutUint64(b[2:], d.Stream)
	binary.BigEndian.PutUint64(b[10:], d.Offset)
	binary.BigEndian.PutUint64(b[18:], d.Ack)
	binary.BigEndian.PutUint64(b[26:], d.Limit)
}

// ParseData parses a DATA frame; payload aliases b. Unknown hints are left out
// of the flags.
func ParseData(b []byte) (d Data, payload []byte, err error) {
	if len(b) < DataHeaderLen {
		return Data{}, nil, fmt.Errorf("%w: DATA of %d bytes", ErrFrame, len(b))
	}
	d = Data{
		Flags:  b[1],
		Stream: binary.BigEndian.Uint64(b[2:]),
		Offset: binary.BigEndian.Uint64(b[10:]),
		Ack:    binary.BigEndian.Uint64(b[18:]),
		Limit:  binary.BigEndian.Uint64(b[26:]),
	}
	payload = b[DataHeaderLen:]
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
