package wire

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// streamClose begins a message of v5.channel.k8s.io that closes the channel whose
// number follows.
const streamClose = 255

var (
	errBase64  = errors.New("a message is not in base64")
	errChannel = errors.New("data on an unknown channel")
)

// webSocket reads the subprotocols of exec and attach. Each message begins with the
// number of its channel.
type webSocket struct {
	sink             Sink
	client, server   frames
	fromClient, from message
	base64, closes   bool // as the subprotocol has it
	status           bool // the outcome is a Status in JSON
	accepted         int  // Rest after what ToClient has accepted
}

// message is the message that one direction is in.
type message struct {
	begun   bool
	channel int
	carry   [4]byte // base64 that is not yet a group of four
	n       int
}

func newWebSocket(h http.Header, sink Sink) (Parser, error) {
	extensions, err := one(h, "Sec-Websocket-Extensions")
	if err != nil || extensions != "" {
		return nil, errors.New("a WebSocket extension was negotiated")
	}
	protocol, err := one(h, "Sec-Websocket-Protocol")
	if err != nil {
		return nil, err
	}
	w := &webSocket{sink: sink, client: frames{masked: true, whole: true}}
	switch protocol {
	case "", "channel.k8s.io":
	case "base64.channel.k8s.io":
		w.base64 = true
	case "v4.channel.k8s.io":
		w.status = true
	case "v4.base64.channel.k8s.io":
		w.base64, w.status = true, true
	case "v5.channel.k8s.io":
		w.closes, w.status = true, true
	default:
		return nil, fmt.Errorf("WebSocket subprotocol %q is not known", protocol)
	}
	return w, nil
}

// FromClient implements [Parser].
func (w *webSocket) FromClient(b []byte) error {
	return w.client.feed(b, func(p piece) error {
		return w.take(&w.fromClient, p, func(c Channel, b []byte) error {
			if len(b) == 0 || !c.fromClient() { // an API server drops it
				return nil
			}
			return w.sink.Data(c, b)
		})
	})
}

// ToClient implements [Parser].
func (w *webSocket) ToClient(b []byte) error {
	err := w.server.feed(b, func(p piece) error {
		return w.take(&w.from, p, func(c Channel, b []byte) error {
			if c > Resize {
				return errChannel
			}
			return fromServer(w.sink, c, b)
		})
	})
	if err == nil {
		w.accepted = w.server.rest()
	}
	return err
}

// take takes a part of a message.
func (w *webSocket) take(m *message, p piece, data func(Channel, []byte) error) error {
	b := p.data
	if !m.begun && len(b) > 0 {
		m.begun, m.channel, m.n = true, int(b[0]), 0
		if w.base64 {
			m.channel = int(b[0] - '0')
		}
		b = b[1:]
	}
	if m.begun && len(b) > 0 {
		if err := w.content(m, b, data); err != nil {
			return err
		}
	}
	if p.ends {
		if m.n != 0 {
			return errBase64
		}
		m.begun = false
	}
	return nil
}

func (w *webSocket) content(m *message, b []byte, data func(Channel, []byte) error) error {
	switch {
	case m.channel == streamClose && w.closes:
		return nil
	case !w.base64:
		return data(Channel(m.channel), b)
	}
	var text [3 << 8]byte
	for len(b) > 0 {
		// A group that is split between pieces is put together first.
		if m.n > 0 || len(b) < len(m.carry) {
			k := copy(m.carry[m.n:], b)
			m.n += k
			b = b[k:]
			if m.n < len(m.carry) {
				return nil
			}
			m.n = 0
			if err := decode(text[:], m.carry[:], m, data); err != nil {
				return err
			}
			continue
		}
		k := min(len(b), 1<<10) &^ 3
		if err := decode(text[:], b[:k], m, data); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// decode decodes whole groups of base64.
func decode(text, b []byte, m *message, data func(Channel, []byte) error) error {
	n, err := base64.StdEncoding.Strict().Decode(text, b)
	if err != nil {
		return errBase64
	}
	return data(Channel(m.channel), text[:n])
}

// Rest implements [Parser].
func (w *webSocket) Rest() int { return w.accepted }

// Farewell implements [Parser]: a message on the error channel, and a close frame.
func (w *webSocket) Farewell(reason string) []byte {
	if w.accepted != 0 {
		return nil
	}
	text := outcome(reason, w.status)
	message := append([]byte{byte(Error)}, text...)
	op := byte(bitFin | opBinary)
	if w.base64 {
		message = append([]byte{'0' + byte(Error)}, base64.StdEncoding.EncodeToString(text)...)
		op = bitFin | opText
	}
	b := []byte{op, 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(message))) // outcome is short
	b = append(b, message...)
	return append(b, bitFin|opClose, 2, 0x03, 0xe8) // 1000, after which clients look at the error channel
}

// maxReason bounds a reason in bytes, far below the length that a frame's head has
// room for.
const maxReason = 1 << 10

// outcome is what the error channel carries for a session that the bridge ended.
func outcome(reason string, status bool) []byte {
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	if !status {
		return []byte(reason)
	}
	return failureStatus(reason)
}
