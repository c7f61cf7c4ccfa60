//go:build linux

package network

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// forwardProxy is a kind of proxy of the matrix.
type forwardProxy struct {
	name  string
	start starter // nil for none
	// route makes a route lead through the proxy at an address.
	route func(s *suite, r *route, address string)
	names bool // the agent resolves the broker's name itself
}

// https names a proxy by HTTPS_PROXY.
func https(scheme string, user *url.Userinfo) func(*suite, *route, string) {
	return func(_ *suite, r *route, address string) {
		u := &url.URL{Scheme: scheme, User: user, Host: address}
		r.env = append(r.env, "HTTPS_PROXY="+u.String())
	}
}

// socks names a proxy by ALL_PROXY.
func socks(scheme string, user *url.Userinfo) func(*suite, *route, string) {
	return func(_ *suite, r *route, address string) {
		u := &url.URL{Scheme: scheme, User: user, Host: address}
		r.env = append(r.env, "ALL_PROXY="+u.String())
	}
}

// trusting makes the agent trust the proxy's certificate.
func trusting(next func(*suite, *route, string)) func(*suite, *route, string) {
	return func(s *suite, r *route, address string) {
		r.flags = append(r.flags, "--proxy-ca", s.caFile)
		next(s, r, address)
	}
}

// filed gives the agent user and password in a file.
func filed(line string, next func(*suite, *route, string)) func(*suite, *route, string) {
	return func(s *suite, r *route, address string) {
		r.loginLine = line
		next(s, r, address)
	}
}

var login = url.UserPassword(proxyUser, proxyPassword)

var forwardProxies = []forwardProxy{
	{name: "none"},
	{name: "squid", start: squid(anybody...), route: https("http", nil)},
	{name: "squid-tls", start: squidTLS, route: trusting(https("https", nil))},
	{name: "squid-basic", start: squid(withBasic...), route: https("http", login)},
	{name: "squid-ntlm", start: squid(withNTLM...), route: filed("CORP\\"+proxyUser+":"+proxyPassword, https("http", nil))},
	{name: "squid-basic-file", start: squid(withBasic...), route: filed(proxyUser+":"+proxyPassword, https("http", nil))},
	{name: "squid-digest", start: squid(withDigest...), route: filed(proxyUser+":"+proxyPassword, https("http", nil))},
	{name: "cntlm", start: cntlm, route: https("http", nil)},
	{name: "tinyproxy-basic", start: tinyproxy(600), route: https("http", login)},
	{name: "socks5", start: microsocks(), route: socks("socks5", nil), names: true},
	{name: "socks5h", start: microsocks(), route: socks("socks5h", nil)},
	{name: "socks5h-login", start: microsocks("-u", proxyUser, "-P", proxyPassword), route: socks("socks5h", login)},
	{name: "dante", start: dante, route: socks("socks5h", nil)},
	{name: "dante-socks5", start: dante, route: socks("socks5", nil), names: true},
}

// proxyNamed is a proxy of the matrix.
func proxyNamed(name string) forwardProxy {
	return forwardProxies[slices.IndexFunc(forwardProxies, func(p forwardProxy) bool { return p.name == name })]
}

// TestMatrix: each transport works through each proxy, and carries what people do.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tls", "wss"} {
		for _, p := range forwardProxies {
			t.Run(transport+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				if p.start == nil {
					si := newOpenSite(t)
					si.start(route{server: si.server(transport)})
					si.reachable()
					si.caller().work()
					return
				}
				si := newSite(t)
				if p.names {
					if err := si.inside.Hosts(map[string]string{brokerName: outsideIP, webName: outsideIP}); err != nil {
						t.Fatal(err)
					}
				}
				si.start(si.through(transport, p))
				si.reachable()
				si.caller().work()
			})
		}
	}
}

// through is the way to the broker through a proxy, which is started for the first test.
func (si *site) through(transport string, p forwardProxy) route {
	si.t.Helper()
	r := route{server: si.server(transport)}
	p.route(si.suite, &r, si.proxy(si.t, p.name, p.start).address)
	if r.loginLine != "" {
		file := filepath.Join(si.dir, "proxy-credentials")
		si.must(os.WriteFile(file, []byte(r.loginLine+"\n"), 0o600))
		r.flags = append(r.flags, "--proxy-credentials", file)
	}
	return r
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
