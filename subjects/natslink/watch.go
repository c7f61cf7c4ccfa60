package natslink

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// watchInterval is how often the connection's state is checked in addition to its
// events: nats.go drops some of them when many come at once.
const watchInterval = time.Second

// connWatch reports to the engine when the connection is lost and when it is
// back.
type connWatch struct {
	nc   *nats.Conn
	out  *lane.Publisher // of frames
	ep   *stream.Endpoint
	onUp func() // may be nil
	ch   chan nats.Status
	done chan struct{}
	wg   sync.WaitGroup
	once sync.Once

	up         bool   // the state last reported to the engine
	reconnects uint64 // how often the connection had reconnected by then
}

// watchConn follows nc's state, on which the subscriptions have been made, and opens the lane
// for out; onUp may be nil.
func watchConn(nc *nats.Conn, out *lane.Publisher, ep *stream.Endpoint, onUp func()) *connWatch {
	w := &connWatch{nc: nc, out: out, ep: ep, onUp: onUp, done: make(chan struct{})}
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
	if w.up {
		w.out.Open()
	}
	for {
		select {
		case s, ok := <-events:
			if !ok {
				events = nil // the listener was removed; the ticker remains
			} else if s != nats.CONNECTED {
				// At once: look waits while the connection is being dialed.
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

// look compares the connection's state with the state last reported. A connection
// that has been lost and is back since then has lost messages too.
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
	w.out.Open()
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
