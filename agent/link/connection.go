package link

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// connection is an established connection; lost delivers the reason when it
// ends.
type connection struct {
	*nats.Conn
	server string
	creds  *Creds
	dialer *dial.Dialer
	// verdict is what the broker said of the credentials before it closed the
	// connection. Only nats.go's callbacks use it, which come one by one.
	verdict error
	since   time.Time   // when it was taken into service
	serving atomic.Bool // before that, the broker's errors are why it is not adopted
	lost    chan error
	// gone is done when the connection is lost or about to be closed; end makes
	// it so.
	gone context.Context
	end  context.CancelFunc
}

// connect tries every server once, except those that ask to be left alone.
func (c *Connector) connect(ctx context.Context, creds *Creds) (*connection, error) {
	servers := c.broker.Servers()
	failures := &connectFailures{servers: servers, errs: make([]error, len(servers))}
	c.limits.Begin()
	for _, server := range c.broker.Order(c.avoid) {
		i := slices.Index(servers, server)
		if failures.errs[i] = c.limits.Held(server); failures.errs[i] != nil {
			continue
		}
		conn, err := c.dial(ctx, server, creds)
		if ctx.Err() != nil && err != nil {
			return nil, ctx.Err()
		}
		c.limits.Note(server, err)
		if err == nil {
			return conn, nil
		}
		if failures.errs[i] = err; c.limits.Held(server) != nil {
			failures.errs[i] = c.limits.Held(server) // it may say more
		}
	}
	return nil, failures
}

// connectTo makes one attempt at one server. The error is a [cause.Failure].
func (c *Connector) connectTo(ctx context.Context, server *url.URL, creds *Creds) (*connection, error) {
	dialer, err := c.broker.Dialer(server)
	if err != nil {
		return nil, err
	}
	dialer.KnownClock = c.clock
	conn := &connection{server: natslink.ShownServer(server), creds: creds, lost: make(chan error, 1), dialer: dialer}
	conn.gone, conn.end = context.WithCancel(context.Background())
	o := natslink.ConnectOptions{
		Name: "fairlead-agent " + creds.Cluster, Servers: []string{conn.dialer.URL()}, Dialer: conn.dialer,
		UserJWT: creds.token, Logger: c.log,
		OnDown: conn.down,
		OnError: func(err error) {
			if !conn.judged(err) && conn.serving.Load() {
				c.state.complaint(failure{conn.server, conn.judge(err)})
			}
		},
	}
	if c.trial != nil {
		c.trial.apply(conn.dialer, &o)
	}
	presented := false // the credentials: all steps before have succeeded
	o.SignNonce = func(nonce []byte) ([]byte, error) {
		presented = true
		return creds.sign(nonce)
	}
	defer context.AfterFunc(ctx, conn.dialer.Abort)()
	if conn.Conn, err = natslink.ConnectOnce(conn.gone, o); err != nil {
		if failed := conn.dialer.Err(); failed != nil {
			err = failed
		} else if presented {
			err = creds.answer(err)
		}
		conn.dialer.Abort() // nats.go leaves it open when a handshake fails
		return nil, conn.judge(err)
	}
	return conn, nil
}

// judged notes err if it is the broker's refusal of the credentials, which is why
// the connection ends next.
func (c *connection) judged(err error) bool {
	if !refused(err) {
		return false
	}
	c.verdict = err
	if errors.Is(err, nats.ErrAuthRevoked) {
		c.creds.revoked.Store(true)
	}
	return true
}

// down is called when the connection is lost, after everything that the broker
// has said.
func (c *connection) down(err error) {
	if c.verdict != nil {
		err = c.verdict
	} else if err == nil {
		err = errClosed
	}
	select {
	case c.lost <- err:
	default:
	}
	c.end()
}

// reasonWithin bounds the wait for the reason of a connection that has ended, which
// nats.go tells by a callback.
const reasonWithin = time.Second

// reason returns why conn has ended, if err says only that it has: a broker can close it
// while it is being adopted.
func (c *connection) reason(err error) error {
	if !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	select {
	case err = <-c.lost:
	case <-time.After(reasonWithin):
	}
	return err
}

// judge says why conn was not made, or was lost.
func (c *connection) judge(err error) *cause.Failure {
	return c.creds.judge(err, "connect to "+c.server+" with the credentials of cluster "+c.creds.Cluster, c.dialer.OtherClock())
}
