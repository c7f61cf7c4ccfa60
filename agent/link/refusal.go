package link

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// refusalHolds is how long a refusal explains connections that break without an
// answer: at least twenty attempts. Longer, it could hide another cause.
const refusalHolds = 5 * time.Minute

// refusal is an answer of the broker to credentials.
type refusal struct {
	err error
	at  time.Time
}

// errUnanswered is for a broker that closes the connection instead of answering.
var errUnanswered = errors.New("the broker closed the connection without accepting or refusing the credentials " +
	"(is it being stopped, or does something on the path cut connections?)")

// answer returns the broker's answer to an attempt that failed with err after it
// had presented the credentials. A refusal closes the connection, and is not
// always read before the end. Then the reason is what is known of the
// credentials: otherwise it would be different at each attempt.
func (c *Creds) answer(err error) error {
	now := time.Now()
	switch {
	case refused(err):
		c.refusal.Store(&refusal{err, now})
		return err
	case unfit(err):
		return err
	case c.Expired(now) != nil:
		return nats.ErrAuthExpired
	case !dial.Ended(err):
		return err
	case c.revoked.Load():
		return nats.ErrAuthRevoked
	}
	if known := c.refusal.Load(); known != nil && now.Sub(known.at) < refusalHolds {
		return known.err
	}
	return errUnanswered
}

// refused reports whether err is the broker's answer to these credentials, so
// that others might be accepted.
func refused(err error) bool {
	for _, answer := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrMaxAccountConnectionsExceeded,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}
