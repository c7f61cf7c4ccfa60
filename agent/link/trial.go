package link

import (
	"context"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// Trial says how an attempt is made that is only looked at: see [Connector.Try].
type Trial struct {
	// Name is the connection's in the broker's list.
	Name string
	// Timeout bounds the steps before the NATS protocol; 0: [dial.Timeout].
	Timeout time.Duration
	// Trace gets these steps; see [dial.Dialer].
	Trace func(dial.Step)
}

// Servers returns the broker's servers.
func (c *Connector) Servers() []*url.URL { return c.broker.Servers() }

// Credentials returns the credentials in the file as it is now. The error is a
// [cause.Failure].
func (c *Connector) Credentials() (*Creds, error) {
	creds, _, err := c.file.read()
	return creds, err
}

// Try makes one connection to one server with the credentials in the file, by the
// steps that Run takes. Nothing adopts it: the caller closes it. If the credentials
// cannot be used, the attempt ends where it would present them. The error is a
// [cause.Failure]. Only the goroutine that may call Run may call it, and not while Run
// runs.
func (c *Connector) Try(ctx context.Context, server *url.URL, t Trial) (*nats.Conn, error) {
	creds, err := c.Credentials()
	if err != nil {
		creds = absent(err)
	}
	c.trial = &t
	defer func() { c.trial = nil }()
	conn, err := c.connectTo(ctx, server, creds)
	if err == nil {
		return conn.Conn, nil
	}
	return nil, err
}

// absent are credentials that cannot be presented.
func absent(why error) *Creds {
	return &Creds{
		token:   func() (string, error) { return "", why },
		sign:    func([]byte) ([]byte, error) { return nil, why },
		revoked: new(atomic.Bool), refusal: new(atomic.Pointer[refusal]),
	}
}

// apply makes an attempt a trial.
func (t *Trial) apply(d *dial.Dialer, o *natslink.ConnectOptions) {
	d.Trace, d.Timeout, o.Name = t.Trace, t.Timeout, t.Name
}
