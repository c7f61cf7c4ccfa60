package natslink

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/stream"
)

// connWatch tells the engine when the connection goes and comes.
type connWatch struct {
	nc   *nats.Conn
	ch   chan nats.Status
	done chan struct{}
	wg   sync.WaitGroup
	once sync.Once
}

// watchConn follows nc's state; onUp may be nil.
func watchConn(nc *nats.Conn, ep *stream.Endpoint, onUp func()) *connWatch {
	w := &connWatch{nc: nc, done: make(chan struct{})}
	w.ch = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	up := nc.IsConnected()
	if !up {
		ep.LinkDown()
	}
	w.wg.Go(func() {
		for {
			select {
			case s, ok := <-w.ch:
				if !ok {
					ep.LinkDown() // closed for good
					return
				}
				// Only the last state counts: events are dropped when many
				// come at once, so the connection itself is asked.
				if s == nats.CONNECTED && nc.IsConnected() {
					ep.LinkUp()
					if onUp != nil {
						onUp()
					}
				} else if s != nats.CONNECTED {
					ep.LinkDown()
					if nc.IsConnected() { // lost and found between two events
						ep.LinkUp()
					}
				}
			case <-w.done:
				return
			}
		}
	})
	return w
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
