package parts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

const (
	streamBridge   = "bstream"
	streamInstance = "astream"
)

// The first byte of a stream says what is asked for.
const (
	askEcho = 'e' // the rest of the message back
	askBulk = 'b' // as many bytes as the next 8 bytes say
)

// opener is the end of the link that opens streams.
type opener struct{ bridge *natslink.Bridge }

func newOpener(nc *nats.Conn) (*opener, error) {
	b, err := natslink.NewBridge(nc, natslink.BridgeConfig{ID: streamBridge, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return &opener{b}, nc.FlushTimeout(answerTimeout)
}

func (o *opener) close() { _ = o.bridge.Close() }

// ask opens a stream for one message and waits for the end of the answer.
func (o *opener) ask(int) error {
	message := make([]byte, messageSize)
	message[0] = askEcho
	return o.exchange(message, messageSize, answerTimeout)
}

// fetch asks for bytes and waits until they have arrived.
func (o *opener) fetch(_ int, bytes int64) error {
	request := binary.BigEndian.AppendUint64([]byte{askBulk}, uint64(bytes))
	return o.exchange(request, bytes, answerTimeout+time.Duration(bytes>>20)*time.Second)
}

func (o *opener) exchange(request []byte, want int64, limit time.Duration) error {
	s, err := o.bridge.Open(context.Background(), cluster, streamInstance, request, true)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if want > messageSize { // a deadline is a timer, and bare messages have none
		if err := s.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
	}
	var got int64
	for {
		chunk, err := s.Next()
		got += int64(len(chunk))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if got != want {
		return fmt.Errorf("got %d bytes of %d", got, want)
	}
	return nil
}

// answerStreams makes nc the other end of the link.
func answerStreams(nc *nats.Conn) (*natslink.Agent, error) {
	started := time.Now()
	return natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: streamInstance,
		Stream:   stream.Config{Handler: answerStream},
		Presence: func() subjects.Presence { return subjects.Presence{Started: started, Reachable: true} },
		Logger:   slog.New(slog.DiscardHandler),
	})
}

func answerStream(s *stream.Stream) {
	request, err := s.Next()
	if err != nil {
		return // the stream is reset when the handler returns
	}
	switch {
	case request[0] == askEcho:
		_ = s.WriteFinal(request)
	case request[0] == askBulk && len(request) == 9:
		// 32 KiB at a time, as the agent reads from an API server.
		block := make([]byte, 32<<10)
		for left := int64(binary.BigEndian.Uint64(request[1:])); left > 0; {
			n, err := s.Write(block[:min(left, int64(len(block)))])
			if err != nil {
				return
			}
			left -= int64(n)
		}
		_ = s.CloseWrite()
	}
}
