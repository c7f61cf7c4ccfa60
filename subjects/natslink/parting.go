package natslink

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// partingTimeout bounds each of two steps of an orderly end: handling the messages
// that have arrived, and delivering the last ones to the broker. Together they stay
// below the 5 s that a process gives its parts to stop.
const partingTimeout = 2 * time.Second

// flush waits until the broker has received all published messages.
func flush(nc *nats.Conn) {
	if nc.IsConnected() {
		_ = nc.FlushTimeout(partingTimeout)
	}
}

func unsubscribe(subs []*nats.Subscription) {
	for _, s := range subs {
		_ = s.Unsubscribe()
	}
}

// drain ends subscriptions once the messages that have arrived are handled. It
// reports false if the connection is down, or if that takes longer than
// partingTimeout for all subscriptions together.
func drain(nc *nats.Conn, subs []*nats.Subscription) bool {
	ctx, cancel := context.WithTimeout(context.Background(), partingTimeout)
	defer cancel()
	drained := true
	for _, s := range subs {
		handled := make(chan struct{})
		s.SetClosedHandler(func(string) { close(handled) })
		if !nc.IsConnected() || s.Drain() != nil {
			drained = false
			_ = s.Unsubscribe()
			continue
		}
		select {
		case <-handled:
		case <-ctx.Done():
			drained = false
			_ = s.Unsubscribe()
		}
	}
	return drained
}
