package path

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// NATS notes what a connection knows of its server.
func (p *Path) NATS(nc *nats.Conn) {
	c := p.Target.Check(cause.NATS)
	c.Fact("server", nc.ConnectedServerName())
	c.Fact("version", nc.ConnectedServerVersion())
	found := "nats-server " + nc.ConnectedServerVersion() + " " + nc.ConnectedServerName()
	if rtt, err := nc.RTT(); err == nil {
		c.Fact("rtt", rtt.String())
		found += ", round trip " + rtt.Round(10*time.Microsecond).String()
	}
	c.Pass(found)
}

// useTimeout bounds the broker's answer to one use of a subject: it is many round
// trips of the slowest path.
const useTimeout = 2 * time.Second

// Subscribe subscribes to a subject for a moment, and says why that is not possible.
// shown is the subject for people.
func Subscribe(nc *nats.Conn, subject, shown string) *cause.Failure {
	sub, err := nc.SubscribeSync(subject)
	if err == nil {
		err = confirmed(nc)
		_ = sub.Unsubscribe() // the connection is closed soon
	}
	return refused("subscribe to "+shown, err)
}

// Publish publishes an empty message, and says why that is not possible.
func Publish(nc *nats.Conn, subject, shown string) *cause.Failure {
	err := nc.Publish(subject, nil)
	if err == nil {
		err = confirmed(nc)
	}
	return refused("publish to "+shown, err)
}

// confirmed waits until the broker has judged all that was sent. It tells of a refusal
// before it answers the flush.
func confirmed(nc *nats.Conn) error {
	if err := nc.FlushTimeout(useTimeout); err != nil {
		return err
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}

func refused(tried string, err error) *cause.Failure {
	if err == nil {
		return nil
	}
	return natslink.Failure(tried, err)
}
