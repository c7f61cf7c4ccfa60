//go:build linux

package network

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"
)

// forwardProxy is a kind of proxy of the matrix.
type forwardProxy struct {
	name  string
	start starter // nil for none
	// route makes a route lead through the proxy at an address.
	route func(r *route, address string)
}

// https names a proxy by HTTPS_PROXY.
func https(scheme string, user *url.Userinfo) func(*route, string) {
	return func(r *route, address string) {
		u := &url.URL{Scheme: scheme, User: user, Host: address}
		r.env = append(r.env, "HTTPS_PROXY="+u.String())
	}
}

var login = url.UserPassword(proxyUser, proxyPassword)

var forwardProxies = []forwardProxy{
	{name: "none"},
	{name: "squid", start: squid(anybody...), route: https("http", nil)},
	{name: "squid-basic", start: squid(withBasic...), route: https("http", login)},
	{name: "tinyproxy-basic", start: tinyproxy, route: https("http", login)},
}

// TestMatrix: each transport works through each proxy, and carries what people do.
func TestMatrix(t *testing.T) {
	for _, transport := range []string{"tls", "wss"} {
		for _, p := range forwardProxies {
			t.Run(transport+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				var si *site
				if p.start == nil {
					si = newOpenSite(t)
				} else {
					si = newSite(t)
				}
				r := route{server: si.server(transport)}
				if p.start != nil {
					p.route(&r, si.proxy(t, p.name, p.start).address)
				}
				si.start(r)
				si.reachable()
				si.caller().work()
			})
		}
	}
}

// server is the URL of the broker by name, for a transport.
func (si *site) server(transport string) string {
	if transport == "wss" {
		return si.webURL
	}
	u, err := url.Parse(si.system.BrokerURLs())
	if err != nil {
		si.t.Fatal(err)
	}
	return "tls://" + net.JoinHostPort(brokerName, u.Port())
}

// TestTrapCounts: the trap notices a program that goes past the proxy, by an address or by
// a name.
func TestTrapCounts(t *testing.T) {
	t.Parallel()
	si := makeSite(t)
	si.enclose()
	if n, err := si.inside.Sent(trap); n != 0 || err != nil {
		t.Fatalf("%d packets (%v) before anything was sent", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	broker, err := url.Parse(si.system.BrokerURLs())
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := si.inside.Dial(ctx, "tcp", broker.Host); err == nil {
		_ = conn.Close()
		t.Error("the broker is reached without a proxy")
	}
	dialed, err := si.inside.Sent(trap)
	if dialed == 0 || err != nil {
		t.Errorf("%d packets (%v) after a direct connection was tried", dialed, err)
	}
	if out, err := si.inside.Run(t.Context(), "getent", "hosts", brokerName); err == nil {
		t.Errorf("the broker's name is known inside: %s", out)
	}
	if asked, err := si.inside.Sent(trap); asked <= dialed || err != nil {
		t.Errorf("%d packets (%v) after a name was looked up, %d before", asked, err, dialed)
	}
}
