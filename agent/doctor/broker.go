package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// brokerLook is a look at one server of a broker.
type brokerLook struct {
	cfg       *Config
	connector *link.Connector
	server    *url.URL
	creds     *link.Creds // nil with a credsErr
	credsErr  error       // why those in the file cannot be used

	target *diagnosis.Target
	proxy  string // that the attempt goes through, "" for none
}

// brokerHops are the hops from an agent to a broker.
var brokerHops = []cause.Hop{
	cause.DNS, cause.TCP, cause.Proxy, cause.TLS, cause.HTTPUpgrade, cause.NATS, cause.JWT, cause.Permission,
}

func (b *brokerLook) look(ctx context.Context) *diagnosis.Target {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	b.target = diagnosis.New(natslink.ShownServer(b.server), "broker", brokerHops...)
	nc, err := b.connector.Try(ctx, b.server, link.Trial{Name: "fairlead-agent doctor", Timeout: b.cfg.Timeout, Trace: b.step})
	if err != nil {
		b.failed(cause.Of(err))
		if jwt := b.target.Check(cause.JWT); b.credsErr != nil && jwt.Status == diagnosis.NotReached {
			jwt.Warn(b.credsErr.Error())
		}
		return b.target
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, nc.Close)()
	b.passed(cause.JWT)
	b.nats(nc)
	b.permission(nc)
	return b.target
}

// step notes a step of the dialer.
func (b *brokerLook) step(s dial.Step) {
	now := time.Now()
	if s.Proxy != "" {
		b.proxy = s.Proxy
	}
	c := b.target.Check(s.Hop)
	if c == nil || s.Proxy != "" && (s.Hop == cause.DNS || s.Hop == cause.TCP) {
		return // on the way to the proxy: a part of the hop proxy
	}
	c.Took(s.Took)
	c.WarnSkew(s.Date, now)
	if s.Err != nil {
		return // the failure is told once, when the attempt is over
	}
	switch s.Hop {
	case cause.DNS:
		c.Fact("name", s.Target)
		c.Fact("addresses", strings.Join(s.Addresses, ", "))
		c.Pass(fmt.Sprintf("%s is %s", s.Target, strings.Join(slices.Sorted(slices.Values(s.Addresses)), ", ")))
	case cause.TCP:
		c.Fact("address", s.Target)
		c.Pass("connected to " + s.Target)
	case cause.Proxy:
		c.Fact("proxy", s.Proxy)
		c.Pass(fmt.Sprintf("%s connected to %s", s.Proxy, s.Target))
	case cause.TLS:
		c.PassTLS(s.TLS, now)
	case cause.HTTPUpgrade:
		path := cmp.Or(s.Target, "/")
		c.Fact("path", path)
		c.Pass("WebSocket at the path " + path)
	}
}

// failed notes why the attempt failed. All hops before that one were passed.
func (b *brokerLook) failed(f *cause.Failure) {
	c := b.target.Check(f.Hop)
	if c == nil {
		c = b.target.Check(cause.NATS)
	}
	b.passed(c.Hop)
	c.Fail(f)
}

// passed completes the hops before one that was reached.
func (b *brokerLook) passed(reached cause.Hop) {
	for _, c := range b.target.Checks {
		switch {
		case c.Hop == reached:
			return
		case c.Status != diagnosis.NotReached:
		default:
			b.notTold(c)
		}
	}
}

// notTold completes a hop that was passed and of which no step has told.
func (b *brokerLook) notTold(c *diagnosis.Check) {
	switch c.Hop {
	case cause.DNS, cause.TCP:
		if b.proxy != "" {
			c.Skip("left to the " + b.proxy)
		} else {
			c.Skip("the server is named by its address")
		}
	case cause.Proxy:
		c.Skip("the environment names no proxy for this server")
	case cause.TLS:
		c.Skip(b.server.Scheme + ":// has no TLS")
		c.Warn("the connection is not encrypted")
	case cause.HTTPUpgrade:
		c.Skip(b.server.Scheme + ":// is not a WebSocket")
	case cause.NATS:
		c.Pass("a NATS server answers")
	}
}

// nats notes what the connection knows of the server and of the credentials.
func (b *brokerLook) nats(nc *nats.Conn) {
	now := time.Now()
	c := b.target.Check(cause.NATS)
	c.Fact("server", nc.ConnectedServerName())
	c.Fact("version", nc.ConnectedServerVersion())
	found := "nats-server " + nc.ConnectedServerVersion() + " " + nc.ConnectedServerName()
	if rtt, err := nc.RTT(); err == nil {
		c.Fact("rtt", rtt.String())
		found += ", round trip " + rtt.Round(10*time.Microsecond).String()
	}
	c.Pass(found)
	c = b.target.Check(cause.JWT)
	c.Fact("cluster", b.creds.Cluster)
	c.Fact("account", b.creds.Account)
	c.Fact("user", b.creds.User)
	if !b.creds.Expires.IsZero() {
		c.Fact("expires", b.creds.Expires.UTC().Format(time.RFC3339))
	}
	c.Pass(fmt.Sprintf("cluster %s, account %s, %s", b.creds.Cluster, b.creds.Account, diagnosis.Until(b.creds.Expires, now)))
	c.WarnExpiry("the credentials", b.creds.Expires, now)
}

// flushTimeout bounds the broker's answer to one use of a subject: it is many round
// trips of the slowest path.
const flushTimeout = 2 * time.Second

// permission uses the subjects that an agent uses, for an instance and a bridge that
// do not exist. Both names are random and announced to nobody.
func (b *brokerLook) permission(nc *nats.Conn) {
	c := b.target.Check(cause.Permission)
	cluster, instance := b.creds.Cluster, subjects.NewID('a')
	frames := subjects.AgentFrames(cluster, instance)
	sub, err := nc.SubscribeSync(frames)
	if err == nil {
		err = confirmed(nc)
	}
	if err != nil {
		c.Fail(refusedSubject("subscribe to down."+cluster+".<instance>.*", err))
		return
	}
	_ = sub.Unsubscribe() // the connection is closed next
	if err = nc.Publish(subjects.Up(subjects.NewID('b'), cluster, instance), nil); err == nil {
		err = confirmed(nc)
	}
	if err != nil {
		c.Fail(refusedSubject("publish to up.<bridge>."+cluster+".<instance>", err))
		return
	}
	c.Pass(fmt.Sprintf("may subscribe to down.%[1]s.* and publish to up.*.%[1]s", cluster))
}

// confirmed waits until the broker has judged all that was sent. It tells of a refusal
// before it answers the flush.
func confirmed(nc *nats.Conn) error {
	if err := nc.FlushTimeout(flushTimeout); err != nil {
		return err
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}

func refusedSubject(tried string, err error) *cause.Failure {
	f := &cause.Failure{Hop: cause.Permission, Cause: cause.Unknown, Tried: tried, Got: err.Error(), Err: err}
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		f.Cause = cause.PermissionMissing
	case errors.Is(err, nats.ErrTimeout):
		f.Cause = cause.Timeout
	case errors.Is(err, nats.ErrConnectionClosed):
		f.Cause = cause.ConnectionLost
	}
	return f
}
