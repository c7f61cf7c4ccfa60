package natslink

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// partingTimeout bounds each of two steps of an orderly end: taking in what has
// arrived, and bringing the last words to the broker. Both together stay below
// the 5 s that a process gives its parts to stop.
const partingTimeout = 2 * time.Second

// flush waits until the broker has taken what was published.
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
// reports false if that was not known within partingTimeout, for all of them
// together, or if the connection is down.
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
