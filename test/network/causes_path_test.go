//go:build linux

package network

import (
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// nowhere is an address that every site has a route to, and nothing behind it.
const nowhere = "10.203.64.1"

// pathProvocations are failures before the first byte.
var pathProvocations = []provocation{
	{hop: cause.DNS, cause: cause.UnknownHost, how: "no such name", set: func(si *site) route {
		si.resolve()
		return route{server: "tls://no-such.corp.example:4222"}
	}},
	{hop: cause.DNS, cause: cause.DNSFailed, how: "no DNS server", set: func(si *site) route {
		si.must(si.inside.Resolver(apiIP)) // where nothing listens on port 53
		return route{server: "tls://" + brokerName + ":4222"}
	}},
	{hop: cause.TCP, cause: cause.Refused, how: "closed port", open: true, set: func(si *site) route {
		return route{server: "tls://" + outsideIP + ":9"}
	}, cure: func(si *site) { si.lead(outsideIP+":9", strings.TrimPrefix(si.system.BrokerURLs(), "tls://")) }},
	{hop: cause.TCP, cause: cause.Unreachable, how: "no route", open: true, set: func(si *site) route {
		si.must(si.inside.IP(si.t.Context(), "route add unreachable "+nowhere))
		return route{server: "tls://" + nowhere + ":4222"}
	}},
	{hop: cause.TCP, cause: cause.Timeout, how: "packets are dropped", open: true, set: func(si *site) route {
		si.iptables("-A", "OUTPUT", "-d", outsideIP, "-p", "tcp", "--dport", "9", "-j", "DROP")
		return route{server: "tls://" + outsideIP + ":9"}
	}},
	{hop: cause.HTTPUpgrade, cause: cause.ConnectionLost, how: "nginx closes", open: true, set: func(si *site) route {
		return route{server: si.faulty("web", "/444")}
	}},
	{hop: cause.NATS, cause: cause.CutRegularly, how: "nginx has a short time-out", open: true, set: func(si *site) route {
		return route{server: si.faulty("web", "/cut")}
	}, doctor: &finding{}}, // a new connection works
	{hop: cause.NATS, cause: cause.WentSilent, how: "packets are swallowed", open: true, set: func(si *site) route {
		return route{server: si.server("tls")}
	}, then: func(si *site) { si.swallow(outsideIP, si.connections(outsideIP)) }, doctor: &finding{}, cure: func(*site) {}}, // a new connection works
}

// proxyProvocations are failures at a forward proxy.
var proxyProvocations = []provocation{
	{hop: cause.Proxy, cause: cause.ProxyAuthRequired, how: "no login for squid Basic", set: proxied("squid-basic", squid(withBasic...), "http", "")},
	{hop: cause.Proxy, cause: cause.ProxyAuthRequired, how: "wrong login for squid Basic", set: proxied("squid-basic", squid(withBasic...), "http", "agent:wrong@")},
	{hop: cause.Proxy, cause: cause.ProxyAuthRequired, how: "no login for squid NTLM", set: proxied("squid-ntlm", squid(withNTLM...), "http", "")},
	{hop: cause.Proxy, cause: cause.ProxyAuthRequired, how: "wrong login for tinyproxy", set: proxied("tinyproxy-basic", tinyproxy(600), "http", "agent:wrong@")},
	{hop: cause.Proxy, cause: cause.ProxyAuthRequired, how: "wrong login for SOCKS", set: proxied("socks5h-login", microsocks("-u", proxyUser, "-P", proxyPassword), "socks5h", "agent:wrong@")},
	{hop: cause.Proxy, cause: cause.ProxyDenied, how: "squid denies", set: proxied("squid-deny", squid("http_access deny all"), "http", "")},
	{hop: cause.Proxy, cause: cause.ProxyFailed, how: "squid does not reach it", set: func(si *site) route {
		return proxied("squid", squid(anybody...), "http", "")(si).to("tls://" + net.JoinHostPort(brokerName, "9"))
	}},
	{hop: cause.Proxy, cause: cause.ProxyFailed, how: "squid does not know the name", set: func(si *site) route {
		return proxied("squid", squid(anybody...), "http", "")(si).to("tls://no-such.corp.example:4222")
	}},
	{hop: cause.Proxy, cause: cause.ProxyFailed, how: "SOCKS does not reach it", set: func(si *site) route {
		return proxied("socks5h", microsocks(), "socks5h", "")(si).to("tls://" + net.JoinHostPort(brokerName, "9"))
	}},
	{hop: cause.Proxy, cause: cause.NotAProxy, how: "SSH", open: true, set: func(si *site) route {
		return route{server: si.server("tls"), env: []string{"HTTPS_PROXY=http://" + si.faults().at["ssh"]}}
	}},
	{hop: cause.Proxy, cause: cause.NotAProxy, how: "a web server", open: true, set: func(si *site) route {
		return route{server: si.server("tls"), env: []string{"HTTPS_PROXY=http://" + si.faults().at["plain"]}}
	}},
	{hop: cause.Proxy, cause: cause.NotAProxy, how: "SSH for SOCKS", open: true, set: func(si *site) route {
		return route{server: si.server("tls"), env: []string{"ALL_PROXY=socks5h://" + si.faults().at["ssh"]}}
	}},
	{hop: cause.Proxy, cause: cause.NotTLS, how: "squid without TLS", set: proxied("squid", squid(anybody...), "https", "")},
	{hop: cause.Proxy, cause: cause.CertificateUnknown, how: "squid with another CA", set: proxied("squid-tls", squidTLS, "https", "")},
	{hop: cause.Proxy, cause: cause.UnknownHost, how: "name of the proxy", set: func(si *site) route {
		si.resolve()
		return route{server: si.server("tls"), env: []string{"HTTPS_PROXY=http://no-proxy.corp.example:3128"}}
	}},
	{hop: cause.Proxy, cause: cause.Refused, how: "no proxy there", set: func(si *site) route {
		return route{server: si.server("tls"), env: []string{"HTTPS_PROXY=http://" + perimeterIP + ":9"}}
	}},
	{hop: cause.Proxy, cause: cause.ProxyConfig, how: "no file with the login", set: func(si *site) route {
		r := proxied("squid-basic", squid(withBasic...), "http", "")(si)
		r.flags = append(r.flags, "--proxy-credentials", filepath.Join(si.dir, "no-such-file"))
		return r
	}, cure: func(si *site) {
		si.must(os.WriteFile(filepath.Join(si.dir, "no-such-file"), []byte(proxyUser+":"+proxyPassword+"\n"), 0o600))
	}},
}

// proxied is the way to the broker by TLS through a proxy whose URL has a scheme and a login.
func proxied(name string, start starter, scheme, login string) func(si *site) route {
	return func(si *site) route {
		si.t.Helper()
		variable := "HTTPS_PROXY="
		if scheme == "socks5h" {
			variable = "ALL_PROXY="
		}
		return route{server: si.server("tls"), env: []string{variable + scheme + "://" + login + si.proxy(si.t, name, start).address}}
	}
}

// lead leads the agent's next connections to an address to another one.
func (si *site) lead(from, to string) {
	si.t.Helper()
	host, port, err := net.SplitHostPort(from)
	si.must(err)
	si.iptables("-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-d", host, "--dport", port, "-j", "DNAT", "--to-destination", to)
}

// copy copies a file to where a program expects it.
func (si *site) copy(from, to string) {
	si.t.Helper()
	data, err := os.ReadFile(from)
	si.must(err)
	si.must(os.WriteFile(to, data, 0o600))
}

// to is the route with another server.
func (r route) to(server string) route {
	r.server = server
	return r
}

// resolve gives the site the perimeter's DNS server, which knows no names.
func (si *site) resolve() {
	si.t.Helper()
	si.proxy(si.t, "dnsmasq", dnsmasq)
	si.must(si.inside.Resolver(perimeterIP))
}

func (si *site) must(err error) {
	si.t.Helper()
	if err != nil {
		si.t.Fatal(err)
	}
}
