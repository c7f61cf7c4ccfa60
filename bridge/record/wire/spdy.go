package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// The frames of SPDY/3 (draft-mbelshe-httpbis-spdy-00 section 2.6).
const (
	spdyHead    = 8
	spdyVersion = 3
	spdyFin     = 0x01

	typeSynStream    = 1
	typeSynReply     = 2
	typeRstStream    = 3
	typeSettings     = 4
	typePing         = 6
	typeGoAway       = 7
	typeHeaders      = 8
	typeWindowUpdate = 9

	// maxControl bounds a control frame in bytes. Those of clients have less than 200.
	maxControl = 16 << 10
	// maxStreams bounds the streams of a session. Clients open at most 5.
	maxStreams = 16
)

var (
	errVersion  = errors.New("SPDY frame of an unknown version")
	errFrame    = errors.New("SPDY frame of an unknown type")
	errTooLarge = errors.New("SPDY control frame that is too large")
	errSize     = errors.New("SPDY control frame of a wrong length")
	errStreamID = errors.New("SPDY stream with an id that is out of order")
	errStreams  = errors.New("too many SPDY streams")
	errUnknown  = errors.New("data on a SPDY stream that the client has not opened")
	errOpens    = errors.New("the server opened a SPDY stream")
	errLater    = errors.New("SPDY headers after the beginning of a stream")
)

// spdy reads SPDY/3.1 as Kubernetes uses it: the client opens a stream for each
// channel, and names the channel in a header.
type spdy struct {
	sink           Sink
	client, server spdyHalf
	headers        headerBlocks // of the client; the server's have no meaning
	streams        map[uint32]Channel
	last           uint32 // the client's last stream
	status         bool   // the outcome is a Status in JSON
	accepted       int    // Rest after what ToClient has accepted
	told           bool   // the server has used the error channel
}

// spdyHalf reads the frames of one direction.
type spdyHalf struct {
	head    [spdyHead]byte
	n       int
	in      bool   // in a frame, of which left bytes are to come
	left    uint32 // likewise
	control []byte // of the control frame that is being read
}

func newSPDY(h http.Header, sink Sink) Parser {
	return &spdy{sink: sink, streams: map[uint32]Channel{}, status: h.Get("X-Stream-Protocol-Version") == "v4.channel.k8s.io"}
}

// FromClient implements [Parser].
func (s *spdy) FromClient(b []byte) error { return s.client.feed(b, s.clientControl, s.clientData) }

// ToClient implements [Parser].
func (s *spdy) ToClient(b []byte) error {
	err := s.server.feed(b, s.serverControl, s.serverData)
	if err == nil {
		s.accepted = s.server.rest()
	}
	return err
}

// Rest implements [Parser].
func (s *spdy) Rest() int { return s.accepted }

func (h *spdyHalf) rest() int {
	switch {
	case h.in:
		return int(h.left)
	case h.n > 0:
		return spdyHead - h.n
	}
	return 0
}

// feed reads bytes, and passes control frames on as a whole and data in pieces.
func (h *spdyHalf) feed(b []byte, control func(kind uint16, b []byte) error, data func(id uint32, b []byte, fin bool) error) error {
	for len(b) > 0 {
		if !h.in {
			k := copy(h.head[h.n:], b)
			h.n += k
			if b = b[k:]; h.n < spdyHead {
				return nil
			}
			if err := h.begin(); err != nil {
				return err
			}
		}
		k := int(min(int64(h.left), int64(len(b))))
		h.left -= uint32(k)
		part := b[:k]
		b = b[k:]
		ends := h.left == 0
		if ends {
			h.in, h.n = false, 0
		}
		if !h.isControl() {
			if err := data(h.id(), part, ends && h.head[4]&spdyFin != 0); err != nil {
				return err
			}
			continue
		}
		h.control = append(h.control, part...)
		if ends {
			if err := control(binary.BigEndian.Uint16(h.head[2:]), h.control); err != nil {
				return err
			}
		}
	}
	return nil
}

// skip takes up to n bytes of data, if they are next, and returns how many.
func (h *spdyHalf) skip(n int) int {
	if !h.in || h.isControl() {
		return 0
	}
	k := min(int(h.left), n)
	if h.left -= uint32(k); h.left == 0 {
		h.in, h.n = false, 0
	}
	return k
}

func (h *spdyHalf) isControl() bool { return h.head[0]&0x80 != 0 }
func (h *spdyHalf) id() uint32      { return binary.BigEndian.Uint32(h.head[:]) & 0x7fffffff }

// begin looks at a complete head.
func (h *spdyHalf) begin() error {
	h.in, h.left, h.control = true, binary.BigEndian.Uint32(h.head[4:])&0xffffff, h.control[:0]
	switch {
	case !h.isControl():
		return nil
	case binary.BigEndian.Uint16(h.head[:])&0x7fff != spdyVersion:
		return errVersion
	case h.left > maxControl:
		return errTooLarge
	case h.left == 0:
		return errSize // no control frame is empty
	}
	return nil
}

// checkControl checks a frame whose content does not matter. The servers of
// Kubernetes read as many bytes as the type has and not as many as the length says, so
// that a wrong length could hide a frame.
func checkControl(kind uint16, b []byte) error {
	want := 0
	switch kind {
	case typePing:
		want = 4
	case typeRstStream, typeGoAway, typeWindowUpdate:
		want = 8
	case typeSettings:
		if len(b) < 4 || (len(b)-4)%8 != 0 || uint64(binary.BigEndian.Uint32(b)) != uint64(len(b)-4)/8 {
			return errSize
		}
		return nil
	default:
		return errFrame
	}
	if len(b) != want {
		return errSize
	}
	return nil
}

func (s *spdy) clientControl(kind uint16, b []byte) error {
	switch kind {
	case typeSynStream:
		return s.open(b)
	case typeSynReply:
		return errOpens
	case typeHeaders:
		return errLater
	}
	return checkControl(kind, b)
}

// open reads a SYN_STREAM of the client.
func (s *spdy) open(b []byte) error {
	const fixed = 10
	if len(b) < fixed {
		return errSize
	}
	id := binary.BigEndian.Uint32(b)
	switch {
	case id>>31 != 0 || id%2 == 0 || id <= s.last:
		return errStreamID
	case len(s.streams) == maxStreams:
		return errStreams
	}
	s.last = id
	kind, err := s.headers.only(b[fixed:], "streamtype")
	if err != nil {
		return err
	}
	for c, name := range names {
		if name == kind {
			s.streams[id] = Channel(c)
			return nil
		}
	}
	return fmt.Errorf("SPDY stream of type %.20q", kind)
}

func (s *spdy) clientData(id uint32, b []byte, _ bool) error {
	c, ok := s.streams[id]
	if !ok || !c.fromClient() || len(b) == 0 {
		return nil // a server drops it
	}
	return s.sink.Data(c, b)
}

func (s *spdy) serverControl(kind uint16, b []byte) error {
	switch kind {
	case typeSynStream:
		return errOpens
	case typeSynReply, typeHeaders:
		return nil
	}
	return checkControl(kind, b)
}

func (s *spdy) serverData(id uint32, b []byte, fin bool) error {
	c, ok := s.streams[id]
	if !ok {
		return errUnknown
	}
	if c == Error && (fin || len(b) > 0) {
		s.told = true
	}
	return fromServer(s.sink, c, b)
}

// Farewell implements [Parser]: the error channel's only and last frame.
func (s *spdy) Farewell(reason string) []byte {
	if s.accepted != 0 || s.told {
		return nil
	}
	for id, c := range s.streams {
		if c == Error {
			text := outcome(reason, s.status)
			b := binary.BigEndian.AppendUint32(nil, id)
			b = binary.BigEndian.AppendUint32(b, spdyFin<<24|uint32(len(text)))
			return append(b, text...)
		}
	}
	return nil
}
