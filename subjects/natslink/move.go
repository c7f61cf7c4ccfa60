package natslink

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
)

// confirmTimeout bounds how long a broker may take to answer the first messages: it
// is many round trips of the slowest path.
const confirmTimeout = 2 * time.Second

// Confirm waits until the broker has accepted the subscriptions and a presence. It
// refuses them to the credentials of another role, although it accepts their
// connection.
func (a *Agent) Confirm() error { return a.confirm(a.nc.Load()) }

func (a *Agent) confirm(nc *nats.Conn) error {
	a.sendPresence(nc)
	if err := nc.FlushTimeout(confirmTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("subscribe and announce: %w", err)
	}
	return nil
}

// overlap is how long both connections stay subscribed when the agent moves. A
// broker may have looked up the subscribers of a frame just before the new one was
// there, and the other nodes of its cluster learn of the new one a little later.
// Without the overlap they could find no subscriber.
const overlap = time.Second

// Move moves the agent, with all streams, to another connection. While the old one
// works, nothing is lost and no stream waits: the new one is subscribed before the
// old one is unsubscribed, and the engine drops duplicates. After Move has returned
// without an error, the old connection is no longer used, and the caller closes it.
// After an error the agent is still on the old one.
func (a *Agent) Move(nc *nats.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errors.New("move to another connection: agent is closed")
	}
	subs, err := a.subscribe(nc)
	if err != nil {
		return fmt.Errorf("move to another connection: %w", err)
	}
	if err := a.confirm(nc); err != nil {
		unsubscribe(subs)
		return fmt.Errorf("move to another connection: %w", err)
	}
	oldConn, oldSubs := a.nc.Load(), a.subs
	a.watch.stop() // it would report the end of the old one as a loss
	a.use(nc)
	a.subs = subs
	a.ep.LinkUp() // frames on the old one may be late or lost
	a.watch = watchConn(nc, a.out.Load(), a.ep, a.onUp)
	a.arrived()
	if oldConn.IsConnected() {
		select {
		case <-time.After(overlap):
		case <-a.closing:
		}
	}
	drain(oldConn, oldSubs)
	lane.Of(oldConn).Take(nil)
	return nil
}
