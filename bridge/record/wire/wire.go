package wire

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Channel is what a stream or a message of a session carries.
type Channel int

// The channels, with the numbers that WebSocket has for them.
const (
	Stdin Channel = iota
	Stdout
	Stderr
	Error // the outcome of the command
	Resize
)

var names = []string{"stdin", "stdout", "stderr", "error", "resize"}

func (c Channel) String() string {
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("channel %d", int(c))
	}
	return names[c]
}

// fromClient reports whether the client sends on a channel.
func (c Channel) fromClient() bool { return c == Stdin || c == Resize }

// Sink gets what the channels carry, in pieces. b is valid during the call only. An
// error is returned by the parser as it is.
type Sink interface {
	Data(c Channel, b []byte) error
}

// Parser reads one session. Each method returns an error if the bytes cannot be read,
// or if the sink returned one.
type Parser interface {
	FromClient(b []byte) error
	ToClient(b []byte) error
	// Rest returns how many of the next bytes to the client are surely part of the frame
	// or message that ToClient is in, 0 if it is in none.
	Rest() int
	// Farewell returns bytes that end the session for the client with the reason why,
	// after the bytes that ToClient has accepted; nil: none can be sent there.
	Farewell(reason string) []byte
}

// New returns the parser of a connection that was switched to a protocol; header is
// that of the 101.
func New(protocol string, header http.Header, sink Sink) (Parser, error) {
	switch {
	case strings.EqualFold(protocol, "websocket"):
		return newWebSocket(header, sink)
	case strings.EqualFold(protocol, "SPDY/3.1"):
		return newSPDY(header, sink), nil
	}
	return nil, fmt.Errorf("protocol %q is not known", protocol)
}

// one returns the only value of a header field, "" if there is none.
func one(h http.Header, key string) (string, error) {
	switch v := h.Values(key); len(v) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(v[0]), nil
	}
	return "", fmt.Errorf("more than one %s", key)
}

var errWrongWay = errors.New("data in the wrong direction")

// fromServer passes what the server sends on a channel to the sink.
func fromServer(sink Sink, c Channel, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if c.fromClient() {
		return fmt.Errorf("%w: the server sent on channel %s", errWrongWay, c)
	}
	return sink.Data(c, b)
}
