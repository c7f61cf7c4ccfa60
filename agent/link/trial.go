package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
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
func (c *Connector) Servers() []*url.URL { return c.servers }

// Credentials returns the credentials in the file as it is now. The error is a
// [cause.Failure].
func (c *Connector) Credentials() (*Creds, error) {
	creds, _, err := c.file.read()
	if f := cause.Of(err); f != nil {
		return nil, f
	}
	if err != nil {
		return nil, &cause.Failure{Hop: cause.JWT, Cause: cause.BadCredentials, Tried: "read " + c.file.path, Got: plain(err.Error()), Err: err}
	}
	return creds, nil
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
	var failed cause.Hop
	tell := t.Trace
	t.Trace = func(s dial.Step) {
		if failed = ""; s.Err != nil {
			failed = s.Hop
		}
		tell(s)
	}
	c.trial = &t
	defer func() { c.trial = nil }()
	conn, err := c.connectTo(ctx, server, creds)
	if err == nil {
		return conn.Conn, nil
	}
	if f := cause.Of(err); f != nil {
		return nil, f
	}
	tried := "connect to " + natslink.ShownServer(server)
	if failed == "" {
		failed = hopOf(err)
	}
	if failed != cause.JWT && failed != cause.Permission {
		return nil, classify.Error(failed, tried, err)
	}
	return nil, &cause.Failure{Hop: failed, Cause: cause.Unknown, Tried: tried, Got: explain(err, creds), Err: err}
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
	if o.TLS == nil {
		return
	}
	// nats.go takes this step itself.
	o.TLS = o.TLS.Clone()
	o.TLS.VerifyConnection = func(s tls.ConnectionState) error {
		t.Trace(dial.Step{Hop: cause.TLS, Target: s.ServerName, TLS: &s})
		return nil
	}
}

// hopOf is the step of nats.go that failed with err.
func hopOf(err error) cause.Hop {
	switch {
	case unfit(err):
		return cause.Permission
	case refused(err):
		return cause.JWT
	case errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		return cause.TLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cause.TLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return cause.TLS
	}
	return cause.NATS
}
