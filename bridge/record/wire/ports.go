package wire

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPorts bounds the ports of a forward that are remembered.
const maxPorts = 64

// tunnelled is the WebSocket subprotocol of a port-forward that carries SPDY in its
// messages.
const tunnelled = "SPDY/3.1+portforward.k8s.io"

var errPort = errors.New("SPDY stream of a forward without a port")

// Ports follows the client of a port-forward and learns to which ports it opens
// connections: each has a SPDY stream with the port in its headers. Of data it reads the
// heads of frames only. It keeps at most maxPorts ports, and of a control frame at most
// maxControl bytes.
//
// It is not safe for concurrent use.
type Ports struct {
	frames  *frames // nil: SPDY without WebSocket
	half    spdyHalf
	headers headerBlocks
	ports   []uint16
	lost    bool // there may be more ports
	over    bool // the client is not followed any more
}

// NewPorts follows a port-forward that was switched to a protocol; header is that of the
// 101. It returns nil if that protocol names no ports in its stream.
func NewPorts(protocol string, header http.Header) *Ports {
	switch {
	case strings.EqualFold(protocol, "SPDY/3.1"):
		return &Ports{}
	case strings.EqualFold(protocol, "websocket"):
		if chosen, err := one(header, "Sec-Websocket-Protocol"); err != nil || chosen != tunnelled {
			return nil
		}
		p := &Ports{frames: &frames{masked: true}}
		p.frames.skip = p.half.skip
		return p
	}
	return nil
}

// FromClient follows bytes of the client. What cannot be read, or is more than can be
// remembered, ends it.
func (p *Ports) FromClient(b []byte) {
	if p.over {
		return
	}
	var err error
	if p.frames == nil {
		err = p.spdy(b)
	} else {
		err = p.frames.feed(b, func(m piece) error { return p.spdy(m.data) })
	}
	if err != nil {
		p.lost, p.over = true, true
	}
}

// List returns the ports in the order of their first connections, and whether they are
// all.
func (p *Ports) List() (ports []uint16, all bool) { return p.ports, !p.lost }

func (p *Ports) spdy(b []byte) error {
	return p.half.feed(b, p.control, func(uint32, []byte, bool) error { return nil })
}

func (p *Ports) control(kind uint16, b []byte) error {
	const fixed = 10
	switch kind {
	case typeSynStream:
	case typeSynReply, typeHeaders:
		return errLater // they would change the state of the compression
	default:
		return checkControl(kind, b)
	}
	if len(b) < fixed {
		return errSize
	}
	text, err := p.headers.only(b[fixed:], "port")
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errPort
	}
	switch port := uint16(n); {
	case slices.Contains(p.ports, port):
	case len(p.ports) == maxPorts:
		p.lost = true
	default:
		p.ports = append(p.ports, port)
	}
	return nil
}
