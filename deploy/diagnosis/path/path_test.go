package path

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

var hops = []cause.Hop{cause.DNS, cause.TCP, cause.Proxy, cause.TLS, cause.HTTPUpgrade, cause.NATS, cause.JWT}

// Steps of dialers.
var (
	dns     = dial.Step{Hop: cause.DNS, Target: "b.example", Addresses: []string{"10.0.0.8", "10.0.0.7"}}
	tcp     = dial.Step{Hop: cause.TCP, Target: "10.0.0.7:4222"}
	proxied = dial.Step{Hop: cause.Proxy, Proxy: "proxy http://p.example:3128", Target: "b.example:443"}
	secured = dial.Step{Hop: cause.TLS, Target: "b.example", TLS: &tls.ConnectionState{Version: tls.VersionTLS13}}
	upgrade = dial.Step{Hop: cause.HTTPUpgrade, Target: "/broker"}
)

// to is a step on the way to the proxy.
func to(s dial.Step) dial.Step {
	s.Proxy = proxied.Proxy
	return s
}

func failed(s dial.Step) dial.Step {
	s.Err = &cause.Failure{Hop: s.Hop, Cause: cause.Timeout}
	return s
}

// shown lists the checks of a path: hop, status and, up to the first comma, what was found.
func shown(p *Path) []string {
	var all []string
	for _, c := range p.Target.Checks {
		found, _, _ := strings.Cut(c.Found, ",")
		if c.Failure != nil {
			found = string(c.Failure.Cause)
		}
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s: %s", c.Hop, c.Status, found), ": "))
	}
	return all
}

// TestFailedAttempts: each failure is shown once, at its hop; no hop behind it is
// reached, and all before it were passed, or say why they were not.
func TestFailedAttempts(t *testing.T) {
	const noProxy = "proxy not-used: the environment names no proxy for this server"
	const later, noJWT = "nats not-reached", "jwt not-reached"
	for _, test := range []struct {
		name, server string
		steps        []dial.Step
		at           cause.Hop
		want         []string
	}{
		{"unknown host", "tls://b.example:4222", []dial.Step{failed(dns)}, cause.DNS,
			[]string{"dns failed: timeout", "tcp not-reached", "proxy not-reached", "tls not-reached", "http-upgrade not-reached", later, noJWT}},
		{"second address refused", "tls://b.example:4222", []dial.Step{dns, failed(tcp), failed(tcp)}, cause.TCP,
			[]string{"dns ok: b.example is 10.0.0.7", "tcp failed: timeout", "proxy not-reached", "tls not-reached", "http-upgrade not-reached", later, noJWT}},
		{"an address, not TLS", "wss://10.0.0.7", []dial.Step{tcp, failed(secured)}, cause.TLS,
			[]string{"dns not-used: the server is named by its address", "tcp ok: connected to 10.0.0.7:4222", noProxy, "tls failed: timeout", "http-upgrade not-reached", later, noJWT}},
		{"proxy not-reached", "wss://b.example", []dial.Step{to(dns), failed(to(tcp)), failed(proxied)}, cause.Proxy,
			[]string{"dns not-used: left to the proxy http://p.example:3128", "tcp not-used: left to the proxy http://p.example:3128", "proxy failed: timeout", "tls not-reached", "http-upgrade not-reached", later, noJWT}},
		{"no upgrade, behind a proxy", "wss://b.example/broker", []dial.Step{to(dns), to(tcp), proxied, secured, failed(upgrade)}, cause.HTTPUpgrade,
			[]string{"dns not-used: left to the proxy http://p.example:3128", "tcp not-used: left to the proxy http://p.example:3128", "proxy ok: proxy http://p.example:3128 connected to b.example:443", "tls ok: TLS 1.3", "http-upgrade failed: timeout", later, noJWT}},
		{"no greeting", "tls://b.example:4222", []dial.Step{dns, tcp}, cause.NATS,
			[]string{"dns ok: b.example is 10.0.0.7", "tcp ok: connected to 10.0.0.7:4222", noProxy, "tls not-reached: not reached: the broker greets before TLS", "http-upgrade not-used: tls:// is not a WebSocket", "nats failed: timeout", noJWT}},
		{"refused login without TLS", "ws://127.0.0.1", []dial.Step{tcp, upgrade}, cause.JWT,
			[]string{"dns not-used: the server is named by its address", "tcp ok: connected to 10.0.0.7:4222", noProxy, "tls not-used: ws:// has no TLS", "http-upgrade ok: WebSocket at the path /broker", "nats ok: a NATS server answers", "jwt failed: timeout"}},
		{"damaged file", "wss://b.example", nil, cause.TLS,
			[]string{"dns not-reached: not tried", "tcp not-reached: not tried", "proxy not-reached: not tried", "tls failed: timeout", "http-upgrade not-reached", later, noJWT}},
		{"a hop that is not shown", "wss://b.example", []dial.Step{dns, tcp, secured, upgrade}, cause.Permission,
			[]string{"dns ok: b.example is 10.0.0.7", "tcp ok: connected to 10.0.0.7:4222", noProxy, "tls ok: TLS 1.3", "http-upgrade ok: WebSocket at the path /broker", "nats failed: timeout", noJWT}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, err := url.Parse(test.server)
			if err != nil {
				t.Fatal(err)
			}
			p := New(server, test.server, "broker", hops...)
			for _, s := range test.steps {
				p.Step(s)
			}
			p.Failed(&cause.Failure{Hop: test.at, Cause: cause.Timeout})
			if got := shown(p); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestFacts: what programs read of a step, and the time that it took.
func TestFacts(t *testing.T) {
	p := New(&url.URL{Scheme: "wss", Host: "b.example"}, "b", "broker", hops...)
	slow := dns
	slow.Took = 1500 * time.Microsecond
	p.Step(slow)
	p.Step(dial.Step{Hop: cause.HTTPUpgrade, Date: time.Now().Add(time.Hour)}) // no path: the root
	c := p.Target.Check(cause.DNS)
	if c.Facts["name"] != "b.example" || c.Facts["addresses"] != "10.0.0.8, 10.0.0.7" || c.Found != "b.example is 10.0.0.7, 10.0.0.8" {
		t.Errorf("dns: %v, %q", c.Facts, c.Found)
	}
	if c.Millis != 1.5 {
		t.Errorf("took %v ms, want 1.5", c.Millis)
	}
	if c = p.Target.Check(cause.HTTPUpgrade); c.Facts["path"] != "/" || len(c.Warnings) != 1 {
		t.Errorf("upgrade: %v, warnings %q, want one of the clocks", c.Facts, c.Warnings)
	}
	p.Passed(cause.JWT)
	if c = p.Target.Check(cause.NATS); c.Status != diagnosis.OK {
		t.Errorf("nats: %v", c.Status)
	}
}

// TestClientCertificate: one that ends soon is warned about, and one that has ended is named
// where the server refuses it.
func TestClientCertificate(t *testing.T) {
	day := 24 * time.Hour
	for _, test := range []struct {
		file       string
		left       time.Duration
		refused    cause.ID
		warns, got string
	}{
		{"", 0, "", "", ""},
		{"/c.crt", 90 * day, "", "", ""},
		{"/c.crt", 5*day + time.Hour, "", "the client certificate in /c.crt expires 20", ""},
		{"/c.crt", -day, cause.Timeout, "the client certificate in /c.crt expired 20", ""},
		{"/c.crt", -day, cause.ClientCertificate, "", "the client certificate in /c.crt expired 20"},
		{"/c.crt", 90 * day, cause.ClientCertificate, "", ""},
	} {
		p := New(&url.URL{Scheme: "wss", Host: "b.example"}, "b", "broker", hops...)
		p.Step(secured)
		if test.refused != "" {
			p.Failed(&cause.Failure{Hop: cause.HTTPUpgrade, Cause: test.refused, Got: "The SSL certificate error"})
		}
		p.ClientCertificate(test.file, time.Now().Add(test.left))
		warnings := strings.Join(p.Target.Check(cause.TLS).Warnings, " ")
		if !strings.HasPrefix(warnings, test.warns) || test.warns == "" && warnings != "" {
			t.Errorf("%+v: warnings %q", test, warnings)
		}
		if c := p.Target.Failed(); c != nil && (!strings.HasPrefix(c.Failure.Got, test.got) || !strings.HasSuffix(c.Failure.Got, "The SSL certificate error") ||
			(test.got != "") != strings.Contains(c.Failure.Do, "Put a new certificate")) {
			t.Errorf("%+v: %+v", test, c.Failure)
		}
	}
}
