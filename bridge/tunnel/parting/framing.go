package parting

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Framing follows an upgraded connection, to know whether its client may be told there
// why it ends. FromClient is called by one goroutine, the others by another one.
type Framing interface {
	// FromClient notes bytes of the client before they go on.
	FromClient(b []byte)
	// Pass notes bytes that were sent to the client.
	Pass(b []byte)
	// Between reports whether the last frame or message to the client has come to its
	// end.
	Between() bool
	// Last returns what is sent last, between frames, with the reason; nil: nothing can
	// be.
	Last(reason *answer.Failure, requestID string) []byte
	// Patience is how long the client may take to end the connection itself, once it has
	// been sent that.
	Patience() time.Duration
}

// NewFraming follows a connection that was switched to a protocol; h is the header of
// the 101. It returns nil where nothing is known of the protocol.
func NewFraming(protocol string, h http.Header) Framing {
	if f := NewForward(protocol, h); f != nil {
		return f
	}
	switch {
	case strings.EqualFold(protocol, "websocket"):
		return NewWebSocket(h.Get("Sec-Websocket-Protocol"))
	case strings.EqualFold(protocol, "SPDY/3.1"):
		if s := NewSPDY(h); s != nil {
			return s
		}
	}
	return nil
}
