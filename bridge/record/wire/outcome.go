package wire

import (
	"encoding/binary"
	"net/http"
	"sync/atomic"
)

// maxOpening bounds the bytes of a client in which its error channel must be opened.
// client-go opens it first, and all channels within the first kilobyte.
const maxOpening = 64 << 10

// Outcome follows a session over SPDY no further than it takes to end it with an outcome
// of the bridge: which stream is the error channel, from the client's first frames, and
// where the frames to the client end. Once the channel is known, bytes of the client cost
// nothing; those to the client cost a look at the head of each frame.
//
// FromClient is called by one goroutine, the other methods by another one. Bytes of the
// client are passed before the server has them.
type Outcome struct {
	status bool // the outcome is a Status in JSON

	opening *spdy         // nil: the client is not followed any more
	read    int           // bytes of opening
	channel atomic.Uint32 // the stream of the error channel; 0: not known

	server spdyHalf
	told   bool // the server has used the error channel
}

// nowhere is a [Sink] that drops everything.
type nowhere struct{}

func (nowhere) Data(Channel, []byte) error { return nil }

// NewOutcome follows a connection that was switched to SPDY; header is that of the 101.
// It returns nil if that is not an exec or attach with an error channel.
func NewOutcome(header http.Header) *Outcome {
	version, err := one(header, "X-Stream-Protocol-Version")
	switch {
	case err != nil:
		return nil
	case version == "v4.channel.k8s.io":
		return &Outcome{opening: &spdy{sink: nowhere{}, streams: map[uint32]Channel{}}, status: true}
	case version == "channel.k8s.io" || version == "v2.channel.k8s.io" || version == "v3.channel.k8s.io":
		return &Outcome{opening: &spdy{sink: nowhere{}, streams: map[uint32]Channel{}}}
	}
	return nil
}

// FromClient follows bytes of the client.
func (o *Outcome) FromClient(b []byte) {
	if o.opening == nil || len(b) == 0 {
		return
	}
	err := o.opening.FromClient(b)
	for id, c := range o.opening.streams {
		if c == Error {
			o.channel.Store(id)
		}
	}
	if o.read += len(b); err != nil || o.channel.Load() != 0 || o.read > maxOpening {
		o.opening = nil
	}
}

// ToClient follows bytes to the client.
func (o *Outcome) ToClient(b []byte) {
	h := &o.server
	for len(b) > 0 {
		if h.in {
			k := min(int(h.left), len(b))
			h.left -= uint32(k)
			b = b[k:]
		} else {
			k := copy(h.head[h.n:], b)
			h.n += k
			if b = b[k:]; h.n < spdyHead {
				return
			}
			h.in, h.left = true, binary.BigEndian.Uint32(h.head[4:])&0xffffff
			if !h.isControl() && h.id() == o.channel.Load() && (h.left > 0 || h.head[4]&spdyFin != 0) {
				o.told = true
			}
		}
		if h.in && h.left == 0 {
			h.in, h.n = false, 0
		}
	}
}

// Open reports whether an outcome can be sent now: the last frame to the client has
// ended, and the server has not told one.
func (o *Outcome) Open() bool { return o.server.rest() == 0 && !o.told && o.channel.Load() != 0 }

// Frame is the last frame of the error channel: with status, which is a Status in JSON,
// or with text for versions of the protocol that have no Status. It is nil unless the
// session is [Outcome.Open].
func (o *Outcome) Frame(status []byte, text string) []byte {
	if !o.Open() {
		return nil
	}
	if !o.status {
		status = []byte(text)
	}
	b := binary.BigEndian.AppendUint32(nil, o.channel.Load())
	b = binary.BigEndian.AppendUint32(b, spdyFin<<24|uint32(len(status)))
	return append(b, status...)
}
