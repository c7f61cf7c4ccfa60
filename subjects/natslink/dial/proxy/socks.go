package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// bySOCKS asks a SOCKS 5 proxy for a connection. A name is resolved at the proxy
// for socks5h, and here for socks5, as curl does.
func (t *tunnel) bySOCKS(ctx context.Context) (net.Conn, error) {
	if t.creds != nil && (t.creds.user == "" || len(t.creds.user) > 255 || len(t.creds.password) > 255) {
		return nil, t.failure(cause.ProxyConfig, "user and password "+t.creds.from+
			" cannot be used with SOCKS 5: a user has 1 to 255 bytes, a password at most 255", "")
	}
	if f := t.proxies.Logins.held(t); f != nil {
		return nil, f
	}
	targets, err := t.targets(ctx)
	if err != nil {
		return nil, err
	}
	for i, target := range targets {
		var conn net.Conn
		if conn, err = t.socksTo(ctx, target, len(targets)-i); err == nil {
			return ready(conn), nil
		}
		if f := cause.Of(err); f == nil || f.Cause != cause.ProxyFailed {
			break // another address of the server would fare no better
		}
	}
	return nil, err
}

// targets are the addresses that the proxy is asked for, in random order, so that
// agents spread over brokers behind one name.
func (t *tunnel) targets(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(t.server)
	if err != nil {
		return nil, err
	}
	if t.proxy.Scheme == "socks5h" || net.ParseIP(host) != nil {
		return []string{t.server}, nil
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		f := classify.Error(cause.DNS, "resolve "+host, err)
		f.Do = "With socks5:// names are resolved here. Use socks5h:// in the proxy's URL to have the proxy resolve them."
		return nil, f
	}
	for i, a := range addresses {
		addresses[i] = net.JoinHostPort(a, port)
	}
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	return addresses, nil
}

// socksTo takes its share of the time that is left for shares attempts.
func (t *tunnel) socksTo(ctx context.Context, target string, shares int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Until(t.deadline)/time.Duration(shares))
	defer cancel()
	var auth *proxy.Auth
	if t.creds != nil {
		auth = &proxy.Auth{User: t.creds.user, Password: t.creds.password}
	}
	reach := &forward{tunnel: t}
	d, err := proxy.SOCKS5("tcp", address(t.proxy), auth, reach)
	if err != nil {
		return nil, err
	}
	defer reach.end()
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", target)
	switch {
	case err == nil:
		t.proxies.Logins.note(t, nil)
		return conn, nil
	case reach.err != nil: // the proxy itself is not reached, or must not get the login
		return nil, reach.err
	}
	return nil, t.socksFailure(err, reach.conn)
}

// forward dials the proxy for package proxy, and keeps the connection and the error,
// which that package would wrap.
type forward struct {
	tunnel *tunnel
	conn   *heardConn
	err    error
	login  func() // ends the login, nil before
}

// end ends what DialContext has begun.
func (f *forward) end() {
	if f.login != nil {
		f.login()
	}
}

// Dial implements [proxy.Dialer]. It is never called.
func (f *forward) Dial(string, string) (net.Conn, error) { return nil, errors.ErrUnsupported }

// DialContext implements [proxy.ContextDialer]. It returns when user and password may be
// sent.
func (f *forward) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := f.tunnel.dial(ctx)
	if err == nil {
		if f.login, err = f.tunnel.proxies.Logins.begin(ctx, f.tunnel); err != nil {
			_ = conn.Close()
		}
	}
	if f.err = err; err != nil {
		return nil, err
	}
	f.conn = &heardConn{Conn: conn}
	return f.conn, nil
}

// socksReplies are the texts with which package proxy reports a proxy's refusal,
// and what each means.
var socksReplies = []struct {
	text string
	id   cause.ID
}{
	{"unexpected protocol version", cause.NotAProxy},
	{"non-zero reserved field", cause.NotAProxy},
	{"unknown address type", cause.NotAProxy},
	{"invalid username/password version", cause.NotAProxy},
	{"no acceptable authentication methods", cause.ProxyAuthRequired},
	{"unsupported authentication method", cause.ProxyAuthRequired},
	{"username/password authentication failed", cause.ProxyAuthRequired},
	{"connection not allowed by ruleset", cause.ProxyDenied},
	{"command not supported", cause.ProxyDenied},
	{"general SOCKS server failure", cause.ProxyFailed},
	{"network unreachable", cause.ProxyFailed},
	{"host unreachable", cause.ProxyFailed},
	{"connection refused", cause.ProxyFailed},
	{"TTL expired", cause.ProxyFailed},
	{"address type not supported", cause.ProxyFailed},
	{"unknown code", cause.ProxyFailed},
}

// socksFailure is a failure after the proxy was reached on conn, nil if it was not.
func (t *tunnel) socksFailure(err error, conn *heardConn) error {
	if f := networkFailure(t.tried(), unwrapped(err)); conn != nil && f.Cause != cause.Unknown {
		return conn.unheard(f, "the greeting of SOCKS 5")
	} else if f.Cause != cause.Unknown {
		return f
	}
	text := strings.TrimPrefix(unwrapped(err).Error(), "unknown error ")
	for _, r := range socksReplies {
		if !strings.HasPrefix(text, r.text) {
			continue
		}
		switch {
		case r.id == cause.NotAProxy:
			text = "it does not answer as a SOCKS 5 proxy does: " + text
		case r.id == cause.ProxyAuthRequired && t.creds != nil:
			return t.notAccepted("", "")
		case r.id == cause.ProxyAuthRequired:
			text = "it asks for a user and password, and none are given"
		default: // it answers the request, so it has accepted the login
			t.proxies.Logins.note(t, nil)
		}
		return t.failure(r.id, text, "")
	}
	return t.failure(cause.Unknown, text, "")
}

// unwrapped is the error below the addresses that package net shows.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}
