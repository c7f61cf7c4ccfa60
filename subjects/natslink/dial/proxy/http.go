package proxy

import (
	"context"
	"net"
	"net/url"
	"time"
)

// Only returns how servers are reached through one proxy, whose login is that of its URL:
// the credentials file is meant for the proxies of the environment. p may be nil.
func (p *Proxies) Only(proxy *url.URL) *Proxies {
	only := Proxies{Logins: new(Logins), only: true}
	if p != nil {
		only.CAFile, only.Logins = p.CAFile, p.Logins
	}
	only.For = func(*url.URL) (*url.URL, error) { return proxy, nil }
	return &only
}

// HTTPDial returns the DialContext of a [net/http.Transport] that reaches servers as p
// says, with every login that p knows; the transport's own Proxy must be nil. Servers with
// plain HTTP are asked through CONNECT too. Each attempt takes at most timeout. The failures
// of a proxy are [cause.Failure] of the hop [cause.Proxy]; without a proxy an error is that
// of package net. A nil p stands for the proxies of the environment.
func (p *Proxies) HTTPDial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	if p == nil {
		p = &Proxies{For: FromEnvironment(), Logins: new(Logins)}
	}
	dialer := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		// The transport says no scheme. Only a service on this machine has plain HTTP, and
		// is reached without the environment's proxy whatever its scheme.
		through, err := p.For(&url.URL{Scheme: "wss", Host: address})
		if err != nil {
			return nil, err
		}
		if through == nil {
			return dialer.DialContext(ctx, network, address)
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return p.Connect(ctx, through, address, func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		})
	}
}
