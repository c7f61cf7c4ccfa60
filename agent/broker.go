package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// sameReasonEvery is how often a failure to connect is logged again while its
// reason stays the same.
const sameReasonEvery = time.Minute

// brokerState follows the connection to the broker: for logs, metrics and
// readiness. Its methods are called by nats.go and must not block.
type brokerState struct {
	log     *slog.Logger
	metrics *Metrics
	creds   func() (*Creds, error) // reads the file again
	servers string                 // all that are tried, for people

	attached chan struct{} // closed once nc is set
	nc       *nats.Conn

	mu        sync.Mutex // guards all below
	stopping  bool       // the agent closes the connection itself
	connected bool
	ever      bool      // connected
	since     time.Time // of connected's present value
	reason    string    // why not connected
	logged    string    // the reason last logged
	loggedAt  time.Time
}

func newBrokerState(log *slog.Logger, m *Metrics, servers []string, creds func() (*Creds, error)) *brokerState {
	b := &brokerState{
		log: log, metrics: m, creds: creds, attached: make(chan struct{}),
		since: time.Now(), reason: "still connecting",
	}
	for i, s := range servers {
		if i > 0 {
			b.servers += ", "
		}
		b.servers += redact(s)
	}
	return b
}

// attach says which connection is followed. It is called once.
func (b *brokerState) attach(nc *nats.Conn) {
	b.nc = nc
	close(b.attached)
}

func (b *brokerState) up() {
	<-b.attached // the first may come a moment before Connect has returned
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log.Info("connected to broker", "url", b.nc.ConnectedUrlRedacted(), "after", time.Since(b.since).Round(time.Millisecond))
	if b.ever {
		b.metrics.reconnects.Inc()
	}
	b.connected, b.ever, b.since, b.reason, b.logged = true, true, time.Now(), "", ""
	b.metrics.connected.Store(true)
	if c, err := b.creds(); err == nil {
		b.metrics.expires(c)
	}
}

// stop notes that the agent is about to close the connection itself, which is
// no loss.
func (b *brokerState) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
}

func (b *brokerState) down(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected, b.since = false, time.Now()
	b.metrics.connected.Store(false)
	if b.stopping {
		b.reason = "the agent is stopping"
		return
	}
	if err == nil {
		err = errors.New("closed by the broker")
	}
	b.because("connection to broker lost", err)
}

// failed is told of failed attempts to connect, and of what the broker refuses
// while connected.
func (b *brokerState) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.connected {
		b.log.Warn("broker complains: " + explain(err, b.creds))
		return
	}
	if !b.ever && errors.Is(err, nats.ErrNoServers) {
		// nats.go sums a first attempt up so if it was refused everywhere. The
		// next, which follows within a tenth of a second, says what is wrong.
		return
	}
	b.because("cannot connect to broker, will go on trying", err)
}

// because notes and logs a reason, the same one at most once a minute. The
// caller holds mu.
func (b *brokerState) because(message string, err error) {
	b.reason = explain(err, b.creds)
	if b.reason == b.logged && time.Since(b.loggedAt) < sameReasonEvery {
		return
	}
	b.logged, b.loggedAt = b.reason, time.Now()
	b.log.Warn(message, "server", b.servers, "error", b.reason)
}

// check is the readiness check.
func (b *brokerState) check(context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := time.Since(b.since).Round(time.Second)
	if b.connected {
		return fmt.Sprintf("connected to %s for %s", b.nc.ConnectedUrlRedacted(), since), nil
	}
	return "", fmt.Errorf("not connected to %s for %s: %s", b.servers, since, b.reason)
}

// explain says what an error of nats.go means, as far as it tells.
func explain(err error, creds func() (*Creds, error)) string {
	switch {
	case errors.Is(err, nats.ErrAuthExpired):
		if c, cerr := creds(); cerr == nil && c.Expired(time.Now()) != nil {
			return c.Expired(time.Now()).Error()
		}
		return "the broker says that the credentials have expired"
	case errors.Is(err, nats.ErrAuthRevoked):
		return "the credentials have been revoked"
	case errors.Is(err, nats.ErrAccountAuthExpired):
		return "the tenant's account has expired"
	case errors.Is(err, nats.ErrMaxAccountConnectionsExceeded):
		return "the tenant's account has no connection left, or is switched off"
	case errors.Is(err, nats.ErrAuthorization):
		return explainRefusal(creds)
	case errors.Is(err, nats.ErrPermissionViolation):
		return "the credentials lack a permission that an agent needs (signed with another role's key?): " + err.Error()
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server there does not speak TLS"
	case errors.Is(err, nats.ErrNoServers):
		return "no server can be reached"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the broker's certificate does not verify (see --ca): " + e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "the broker's name cannot be resolved: " + e.Error()
	}
	return err.Error()
}

// explainRefusal is for the answer that a broker gives to credentials of any
// fault: what the file itself shows is told apart.
func explainRefusal(creds func() (*Creds, error)) string {
	c, err := creds()
	if err != nil {
		return err.Error()
	}
	if err := c.Expired(time.Now()); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the broker refuses the credentials of cluster %s: revoked, of an unknown tenant, of another broker, or signed with a key that was removed", c.Cluster)
}

// checkServers refuses URLs that cannot work or would send in the clear.
func checkServers(servers []string) error {
	if len(servers) == 0 {
		return errors.New("server: none given")
	}
	for _, s := range servers {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return fmt.Errorf("server: %q is no URL such as tls://broker.example:4222", redact(s))
		}
		switch u.Scheme {
		case "tls", "wss":
		case "nats", "ws":
			if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
				return fmt.Errorf("server: %s:// is only allowed to the machine itself: use tls:// or wss://", u.Scheme)
			}
		default:
			return fmt.Errorf("server: scheme %q is none of tls, wss", u.Scheme)
		}
		if u.User != nil {
			return errors.New("server: a user in the URL; credentials come from a file")
		}
	}
	return nil
}

// redact removes what could be a password.
func redact(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}
