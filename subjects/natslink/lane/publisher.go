package lane

import (
	"time"

	"github.com/nats-io/nats.go"
)

// Publisher publishes on a connection: by its lane where that is open, and otherwise by
// nats.go. It is safe for concurrent use.
type Publisher struct {
	nc   *nats.Conn
	lane *Lane
}

// NewPublisher returns a publisher on nc, which needs no lane.
func NewPublisher(nc *nats.Conn) *Publisher { return &Publisher{nc, Of(nc)} }

// Publish sends a message; reply may be "". It does not keep payload. An error means that the
// message was certainly not sent.
func (p *Publisher) Publish(subject, reply string, payload []byte) error {
	if p.lane == nil {
		return p.byNATS(subject, reply, payload)
	}
	// Few brokers are set to take less than that. nats.go knows what this one takes, and says
	// what is wrong: a broker would close the connection.
	fits := len(payload) < alone || int64(len(payload)) <= p.nc.MaxPayload()
	if fits && p.lane.publish(subject, reply, payload) == nil {
		return nil
	}
	p.lane.aside.RLock()
	defer p.lane.aside.RUnlock()
	if fits && p.lane.publish(subject, reply, payload) == nil { // opened meanwhile
		return nil
	}
	return p.byNATS(subject, reply, payload)
}

func (p *Publisher) byNATS(subject, reply string, payload []byte) error {
	if reply == "" {
		return p.nc.Publish(subject, payload)
	}
	return p.nc.PublishRequest(subject, reply, payload)
}

// Open has messages go by the lane of the present connection, until that ends; it does nothing
// while there is none. It waits for nats.go, which may be dialing. The subscriptions have been
// made: whatever goes by the lane comes behind them, and behind what all publishers gave to
// nats.go before. Otherwise an answer could find nobody.
func (p *Publisher) Open() {
	if p.lane == nil {
		return
	}
	p.lane.aside.Lock()
	defer p.lane.aside.Unlock()
	for {
		c := p.lane.present()
		if c == nil || !p.nc.IsConnected() { // nats.go keeps its lock until it has subscribed again
			return
		}
		_ = p.nc.FlushTimeout(time.Nanosecond) // it writes before it waits
		if c == p.lane.present() {             // and not another one, which may be without subscriptions
			c.open()
			return
		}
	}
}
