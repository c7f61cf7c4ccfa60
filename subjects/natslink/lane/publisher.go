package lane

import "github.com/nats-io/nats.go"

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
	switch {
	case p.lane.Publish(subject, reply, payload) == nil:
		return nil
	case reply == "":
		return p.nc.Publish(subject, payload)
	}
	return p.nc.PublishRequest(subject, reply, payload)
}
