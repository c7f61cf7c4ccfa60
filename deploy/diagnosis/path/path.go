package path

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// Path is a path to one server, as its target shows it. It is for one goroutine.
type Path struct {
	Target *diagnosis.Target

	server *url.URL
	proxy  string // that the attempt goes through, "" for none
	tried  bool   // a step was taken
}

// New returns a path of which nothing was reached. Its target has checks of the hops.
func New(server *url.URL, name, group string, hops ...cause.Hop) *Path {
	return &Path{Target: diagnosis.New(name, group, hops...), server: server}
}

// Step notes a step of the dialer. It is a [dial.Dialer]'s Trace.
func (p *Path) Step(s dial.Step) {
	now := time.Now()
	p.tried = true
	if s.Proxy != "" {
		p.proxy = s.Proxy
	}
	c := p.Target.Check(s.Hop)
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

// Failed notes why the attempt failed. The hops before that one were passed, except where
// the attempt failed before its first step, or before the TLS that follows a greeting.
func (p *Path) Failed(f *cause.Failure) {
	c := p.Target.Check(f.Hop)
	if c == nil {
		c = p.Target.Check(cause.NATS)
	}
	p.Passed(c.Hop)
	c.Fail(f)
}

// ClientCertificate notes the end of the client certificate in a file, "" for none, once
// the attempt is over: a server that refuses one seldom says why.
func (p *Path) ClientCertificate(file string, end time.Time) {
	now := time.Now()
	if file == "" {
		return
	}
	what := "the client certificate in " + file
	if c := p.Target.Failed(); c != nil && c.Failure.Cause == cause.ClientCertificate && !now.Before(end) {
		c.Failure.Got = cause.Plain(what + " " + diagnosis.Until(end, now) + "; " + c.Failure.Got)
		c.Failure.Do = "Put a new certificate and its key into the files. They are read again, without a restart."
		return
	}
	if c := p.Target.Check(cause.TLS); c != nil && c.Status != diagnosis.NotUsed {
		c.WarnExpiry(what, end, now)
	}
}

// Passed completes the hops before one that was reached.
func (p *Path) Passed(reached cause.Hop) {
	for _, c := range p.Target.Checks {
		switch {
		case c.Hop == reached:
			return
		case c.Status != diagnosis.NotReached:
		default:
			p.notTold(c)
		}
	}
}

// notTold completes a hop of which no step has told: the path does not have it, or the
// attempt ended before it.
func (p *Path) notTold(c *diagnosis.Check) {
	if !p.tried {
		c.Miss("not tried")
		return
	}
	switch c.Hop {
	case cause.DNS, cause.TCP:
		if p.proxy != "" {
			c.Skip("left to the " + p.proxy)
		} else {
			c.Skip("the server is named by its address")
		}
	case cause.Proxy:
		c.Skip("the environment names no proxy for this server")
	case cause.TLS:
		if p.server.Scheme == "tls" {
			c.Miss("not reached: the broker greets before TLS")
			return
		}
		c.Skip(p.server.Scheme + ":// has no TLS")
		c.Warn("the connection is not encrypted")
	case cause.HTTPUpgrade:
		c.Skip(p.server.Scheme + ":// is not a WebSocket")
	case cause.NATS:
		c.Pass("a NATS server answers")
	}
}
