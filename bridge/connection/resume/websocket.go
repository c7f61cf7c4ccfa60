package resume

import (
	"context"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

const (
	// Subprotocol is what both ends of a WebSocket agree on.
	Subprotocol = "v1.connection.fairlead.io"
	// ReceivedHeader is in the answer to a handshake: how far the bridge has the
	// client's stream, in decimal.
	ReceivedHeader = "Fairlead-Received"
)

// WebSocket returns a transport over ws, whose read limit it sets.
func WebSocket(ws *websocket.Conn) Transport {
	ws.SetReadLimit(MaxMessage)
	return socket{ws}
}

type socket struct{ *websocket.Conn }

func (s socket) Send(ctx context.Context, message []byte) error {
	return s.Write(ctx, websocket.MessageBinary, message)
}

func (s socket) Receive(ctx context.Context) ([]byte, error) {
	t, b, err := s.Read(ctx)
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		return nil, io.EOF
	}
	if err == nil && t != websocket.MessageBinary {
		return nil, fmt.Errorf("%w: a text", ErrProtocol)
	}
	return b, err
}

func (s socket) Close() { _ = s.Conn.Close(websocket.StatusNormalClosure, "") } // its outcome is what Receive returns
