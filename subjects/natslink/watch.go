package natslink

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/stream"
)

// watchInterval is how often the connection is looked at besides its events,
// some of which nats.go drops when many come at once.
const watchInterval = time.Second

// connWatch tells the engine when the connection goes and comes.
type connWatch struct {
	nc   *nats.Conn
	ep   *stream.Endpoint
	onUp func() // may be nil
	ch   chan nats.Status
	done chan struct{}
	wg   sync.WaitGroup
	once sync.Once

	up         bool   // what the engine was told last
	reconnects uint64 // and at which of the connection's lives
}

// watchConn follows nc's state; onUp may be nil.
func watchConn(nc *nats.Conn, ep *stream.Endpoint, onUp func()) *connWatch {
	w := &connWatch{nc: nc, ep: ep, onUp: onUp, done: make(chan struct{})}
	w.ch = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	w.reconnects = nc.Stats().Reconnects
	if w.up = nc.IsConnected(); !w.up {
		ep.LinkDown()
	}
	w.wg.Go(w.run)
	return w
}

func (w *connWatch) run() {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	events := w.ch
	for {
		select {
		case s, ok := <-events:
			if !ok {
				events = nil // removed by somebody else; the ticker remains
			} else if s != nats.CONNECTED {
				// At once: asking the connection waits while it dials.
				w.ep.LinkDown()
				w.up = false
			}
		case <-t.C:
		case <-w.done:
			return
		}
		w.look()
	}
}

// look compares the connection with what the engine was told. A connection
// that was lost and found in between has lost messages too.
func (w *connWatch) look() {
	if !w.nc.IsConnected() {
		w.ep.LinkDown()
		w.up = false
		return
	}
	n := w.nc.Stats().Reconnects
	if w.up && n == w.reconnects {
		return
	}
	w.up, w.reconnects = true, n
	w.ep.LinkUp()
	if w.onUp != nil {
		w.onUp()
	}
}

func (w *connWatch) stop() {
	w.once.Do(func() {
		close(w.done)
		w.wg.Wait()
		w.nc.RemoveStatusListener(w.ch)
	})
}

// flushTimeout bounds how long parting words may take to reach the broker.
const flushTimeout = 2 * time.Second

func flush(nc *nats.Conn) {
	if nc.IsConnected() {
		_ = nc.FlushTimeout(flushTimeout)
	}
}

func unsubscribe(subs []*nats.Subscription) {
	for _, s := range subs {
		_ = s.Unsubscribe()
	}
}

// drain ends subscriptions once the messages that have arrived are handled.
func drain(nc *nats.Conn, subs []*nats.Subscription) {
	timeout := time.After(flushTimeout)
	for _, s := range subs {
		handled := make(chan struct{})
		s.SetClosedHandler(func(string) { close(handled) })
		if !nc.IsConnected() || s.Drain() != nil {
			_ = s.Unsubscribe()
			continue
		}
		select {
		case <-handled:
		case <-timeout:
			_ = s.Unsubscribe()
		}
	}
}
