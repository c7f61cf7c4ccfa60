package wire

import (
	"encoding/binary"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// maxForwarded bounds the streams of a port-forward that are ended with a reason, two for
// each connection. Those that are opened beyond it end without.
const maxForwarded = 2 << 10

// Forward follows a port-forward no further than it takes to end its connections with a
// reason. The client opens two SPDY streams for each: one for data and one for errors, on
// which a server that cannot go on says why, once. Of data it reads the heads of frames
// only.
//
// FromClient is called by one goroutine, the other methods by another one. Bytes of the
// client are passed before the server has them.
type Forward struct {
	outer *tunnel // nil: SPDY without WebSocket

	// Of FromClient.
	client  spdyHalf
	headers headerBlocks
	over    bool // the client is not followed any more

	// Of the others.
	server spdyHalf
	lost   bool // where frames to the client end is not known any more

	mu   sync.Mutex
	open map[uint32]purpose // the streams that the server has not ended
}

// purpose is what a stream of a port-forward is for.
type purpose byte

const (
	forErrors purpose = iota + 1
	forData
)

var purposes = map[string]purpose{"error": forErrors, "data": forData}

// tunnel is WebSocket around SPDY.
type tunnel struct{ client, server frames }

// NewForward follows a connection that was switched to a protocol; header is that of the
// 101. It returns nil if that is not a port-forward in SPDY.
func NewForward(protocol string, header http.Header) *Forward {
	f := &Forward{open: map[uint32]purpose{}}
	if protocol == "websocket" {
		if chosen, err := one(header, "Sec-Websocket-Protocol"); err != nil || chosen != tunnelled {
			return nil
		}
		f.outer = &tunnel{client: frames{masked: true}}
		f.outer.client.skip = f.client.skip
		return f
	}
	if version, err := one(header, "X-Stream-Protocol-Version"); err != nil || version != "portforward.k8s.io" {
		return nil
	}
	return f
}

// FromClient follows bytes of the client. After what cannot be read it does not follow
// the client any more.
func (f *Forward) FromClient(b []byte) {
	if f.over {
		return
	}
	feed := func(b []byte) error {
		return f.client.feed(b, f.clientControl, func(uint32, []byte, bool) error { return nil })
	}
	var err error
	if f.outer == nil {
		err = feed(b)
	} else {
		err = f.outer.client.feed(b, func(m piece) error { return feed(m.data) })
	}
	f.over = err != nil
}

// ToClient follows bytes to the client.
func (f *Forward) ToClient(b []byte) {
	if f.lost {
		return
	}
	feed := func(b []byte) error { return f.server.feed(b, f.serverControl, f.serverData) }
	var err error
	if f.outer == nil {
		err = feed(b)
	} else {
		err = f.outer.server.feed(b, func(m piece) error { return feed(m.data) })
	}
	f.lost = err != nil
}

func (f *Forward) clientControl(kind uint16, b []byte) error {
	const fixed = 10
	switch kind {
	case typeSynStream:
	case typeRstStream:
		f.forget(b)
		return checkControl(kind, b)
	case typeSynReply, typeHeaders:
		return errLater // they would change the state of the compression
	default:
		return checkControl(kind, b)
	}
	if len(b) < fixed {
		return errSize
	}
	streamType, err := f.headers.only(b[fixed:], "streamtype")
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := purposes[streamType]; ok && len(f.open) < maxForwarded {
		f.open[binary.BigEndian.Uint32(b)&0x7fffffff] = p
	}
	return nil
}

func (f *Forward) serverControl(kind uint16, b []byte) error {
	switch kind {
	case typeSynStream:
		return errOpens
	case typeSynReply, typeHeaders:
		return nil
	case typeRstStream:
		f.forget(b)
	}
	return checkControl(kind, b)
}

func (f *Forward) serverData(id uint32, b []byte, fin bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fin || len(b) > 0 && f.open[id] == forErrors { // it has said why itself
		delete(f.open, id)
	}
	return nil
}

// forget takes a stream out that was reset.
func (f *Forward) forget(b []byte) {
	if len(b) >= 4 {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.open, binary.BigEndian.Uint32(b)&0x7fffffff)
	}
}

// Between reports whether the last frame to the client has ended.
func (f *Forward) Between() bool {
	return !f.lost && f.server.rest() == 0 && (f.outer == nil || f.outer.server.rest() == 0)
}

// Frames are the last frames of the open connections: a reason on each stream for errors,
// and then the end of each stream for data, after which clients look for errors.
// They are nil where no connection is open, or a frame has not ended. Within WebSocket
// they are the content of a message.
func (f *Forward) Frames(reason string) (b []byte) {
	if !f.Between() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := slices.Sorted(maps.Keys(f.open))
	for _, p := range []purpose{forErrors, forData} {
		text := ""
		if p == forErrors {
			text = reason
		}
		for _, id := range ids {
			if f.open[id] == p {
				b = binary.BigEndian.AppendUint32(b, id)
				b = binary.BigEndian.AppendUint32(b, spdyFin<<24|uint32(len(text)))
				b = append(b, text...)
			}
		}
	}
	return b
}
