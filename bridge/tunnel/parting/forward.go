package parting

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record/wire"
)

// maxForwardReason bounds the reason in bytes, which each connection of a port-forward is
// told.
const maxForwardReason = 512

// forwardPatience is far more than a client needs to read frames that it has, on a busy
// machine, and half of what a connection may take to end (socket.Linger).
const forwardPatience = 250 * time.Millisecond

// Forward follows a port-forward over SPDY, or over SPDY in WebSocket. Each connection
// that it carries has a stream for errors of its own; kubectl shows what is said there.
type Forward struct {
	forward   *wire.Forward
	websocket bool
}

// NewForward returns nil where the connection is not a port-forward in SPDY.
func NewForward(protocol string, h http.Header) *Forward {
	protocol = strings.ToLower(protocol)
	if f := wire.NewForward(protocol, h); f != nil {
		return &Forward{f, protocol == "websocket"}
	}
	return nil
}

// FromClient implements [Framing].
func (f *Forward) FromClient(b []byte) { f.forward.FromClient(b) }

// Pass implements [Framing].
func (f *Forward) Pass(b []byte) { f.forward.ToClient(b) }

// Between implements [Framing].
func (f *Forward) Between() bool { return f.forward.Between() }

// Patience implements [Framing]: client-go throws away what it has not read when the
// connection ends, and ends it itself when it has read a reason.
func (f *Forward) Patience() time.Duration { return forwardPatience }

// Last implements [Framing]: the reason on the stream for errors of each connection.
func (f *Forward) Last(reason *answer.Failure, _ string) []byte {
	text := strings.TrimSpace(reason.Detail)
	if len(text) > maxForwardReason {
		text = strings.ToValidUTF8(text[:maxForwardReason], "")
	}
	frames := f.forward.Frames(text)
	if !f.websocket {
		return frames
	}
	if len(frames) == 0 {
		return closeFrame(closePolicy, reason.Detail)
	}
	return binaryFrame(frames)
}
