package clientcert

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// forwarding is an authenticator with a CA for callers and one for proxies.
type forwarding struct {
	fixture
	proxyCA     *testca.CA
	proxyFile   string
	proxy, user tls.Certificate
}

func newForwarding(t *testing.T, header string) *forwarding {
	t.Helper()
	x := &forwarding{fixture: fixture{t: t, ca: testca.New(t, "clients")}, proxyCA: testca.New(t, "proxies")}
	x.caFile, x.proxyFile = testca.WriteFile(t, x.ca), testca.WriteFile(t, x.proxyCA)
	x.open(Config{CertificateAuthority: x.caFile, Forwarded: &Forwarded{
		Header:  header,
		Proxies: Proxies{CertificateAuthority: x.proxyFile, CommonNames: []string{"front"}},
	}})
	x.proxy, x.user = x.proxyCA.Client("front", nil, nil), x.ca.Client("alice", []string{"ops"}, nil)
	return x
}

// from sends a request on a connection of peer; lines alternate names and values.
func (x *forwarding) from(peer tls.Certificate, lines ...string) (*access.Caller, error) {
	x.t.Helper()
	r := request(x.t, &peer)
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	return x.a.Authenticate(r)
}

func asNginx(c tls.Certificate) string {
	return strings.ReplaceAll(url.QueryEscape(string(testca.PEM(c))), "+", "%20")
}

func asRFC9440(c tls.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":"
}

// asAWS leaves plus signs, equals signs and slashes as they are.
func asAWS(c tls.Certificate) string {
	return strings.NewReplacer("%2B", "+", "%3D", "=", "%2F", "/").Replace(asNginx(c))
}

func TestForwardedForms(t *testing.T) {
	x := newForwarding(t, "client-cert")
	below := x.ca.Intermediate("department", time.Now().Add(time.Hour)).Client("alice", []string{"ops"}, nil)
	envoy := `Hash=0a;Subject="CN=alice,O=\"a;b,c\"";URI=;DNS=a;`
	for name, lines := range map[string][]string{
		"nginx":          {"Client-Cert", asNginx(x.user)},
		"nginx, chain":   {"Client-Cert", asNginx(below)},
		"AWS":            {"Client-Cert", asAWS(x.user)},
		"RFC 9440":       {"Client-Cert", asRFC9440(x.user)},
		"RFC 9440 chain": {"Client-Cert", asRFC9440(below), "Client-Cert-Chain", ":" + base64.StdEncoding.EncodeToString(below.Certificate[1]) + ":"},
		"Envoy":          {"Client-Cert", envoy + `Cert="` + asNginx(x.user) + `"`},
		"Envoy, chain":   {"Client-Cert", envoy + `Cert="` + asNginx(below) + `";Chain="` + asNginx(below) + `"`},
	} {
		c, err := x.from(x.proxy, lines...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Name != "alice" || len(c.Groups) != 1 || c.Groups[0] != "ops" {
			t.Errorf("%s: %+v", name, c)
		}
		if again, _ := x.from(x.proxy, lines...); again != c {
			t.Errorf("%s: another caller for the same certificate", name)
		}
	}
}

// TestSpoofing: nobody is alice by a header but through the proxy, and only with a
// certificate that is good.
func TestSpoofing(t *testing.T) {
	x := newForwarding(t, "X-SSL-Client-Cert")
	const header = "X-Ssl-Client-Cert"
	alice := asNginx(x.user)
	mallory := x.ca.Client("mallory", nil, nil)
	strangers := testca.New(t, "clients")
	for name, tt := range map[string]struct {
		peer  tls.Certificate
		lines []string
		want  error // nil: the peer itself
	}{
		"a caller's own certificate":           {mallory, []string{header, alice}, nil},
		"a proxy's name of the callers' CA":    {x.ca.Client("front", nil, nil), []string{header, alice}, nil},
		"a proxy's name of a copy of the CA":   {testca.New(t, "proxies").Client("front", nil, nil), []string{header, alice}, ErrUnknownCA},
		"another name of the proxies' CA":      {x.proxyCA.Client("backup", nil, nil), []string{header, alice}, ErrUnknownCA},
		"a name in another case":               {x.proxyCA.Client("Front", nil, nil), []string{header, alice}, ErrUnknownCA},
		"a server certificate of that CA":      {x.proxyCA.Server(), []string{header, alice}, ErrUnknownCA},
		"an expired proxy":                     {x.proxyCA.Client("front", nil, at(-2*time.Hour, -time.Hour)), []string{header, alice}, ErrExpired},
		"the proxy itself":                     {x.proxy, nil, access.ErrNoCredentials},
		"the proxy for nobody":                 {x.proxy, []string{header, ""}, access.ErrNoCredentials},
		"the proxy, header of another proxy":   {x.proxy, []string{"Client-Cert", asRFC9440(x.user)}, access.ErrNoCredentials},
		"the proxy's own certificate":          {x.proxy, []string{header, asNginx(x.proxy)}, ErrUnknownCA},
		"the caller's header and the proxy's":  {x.proxy, []string{header, alice, header, asNginx(mallory)}, ErrHeader},
		"twice the same":                       {x.proxy, []string{header, alice, header, alice}, ErrHeader},
		"two values in one line":               {x.proxy, []string{header, alice + ", " + asNginx(mallory)}, ErrHeader},
		"a list of Envoy":                      {x.proxy, []string{header, `Cert="` + alice + `",Cert="` + asNginx(mallory) + `"`}, ErrHeader},
		"Cert twice":                           {x.proxy, []string{header, `Cert="` + alice + `";cert="` + asNginx(mallory) + `"`}, ErrHeader},
		"a self-made certificate":              {x.proxy, []string{header, asNginx(strangers.Client("alice", nil, nil))}, ErrUnknownCA},
		"an expired one":                       {x.proxy, []string{header, asNginx(x.ca.Client("alice", nil, at(-2*time.Hour, -time.Hour)))}, ErrExpired},
		"a server's":                           {x.proxy, []string{header, asNginx(x.ca.Server())}, ErrUsage},
		"alice's behind one that is self-made": {x.proxy, []string{header, asNginx(strangers.Client("root", nil, nil)) + alice}, ErrUnknownCA},
		"a key instead":                        {x.proxy, []string{header, url.PathEscape("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")}, ErrHeader},
		"text around it":                       {x.proxy, []string{header, alice + "x"}, ErrHeader},
		"a bad escape":                         {x.proxy, []string{header, alice + "%"}, ErrHeader},
		"a name alone":                         {x.proxy, []string{header, "CN=alice"}, ErrHeader},
		"a distinguished name":                 {x.proxy, []string{header, "/CN=alice"}, ErrHeader},
		"no byte sequence":                     {x.proxy, []string{header, ":MII"}, ErrHeader},
		"plain text":                           {x.proxy, []string{header, "alice"}, ErrHeader},
		"too many":                             {x.proxy, []string{header, strings.Repeat(alice, maxChain+1)}, ErrHeader},
	} {
		c, err := x.from(tt.peer, tt.lines...)
		switch {
		case tt.want == nil && (err != nil || c.Name != tt.peer.Leaf.Subject.CommonName):
			t.Errorf("%s: %+v, %v; want the peer itself", name, c, err)
		case tt.want != nil && !errors.Is(err, tt.want):
			t.Errorf("%s: %+v, %v; want %v", name, c, err, tt.want)
		case err != nil && len(err.Error()) > 400:
			t.Errorf("%s: the text has %d bytes", name, len(err.Error()))
		}
	}
}

// TestNoConnectionCertificate: a header alone is nothing, over TLS or without.
func TestNoConnectionCertificate(t *testing.T) {
	x := newForwarding(t, "Client-Cert")
	r := request(t, nil)
	r.Header.Set("Client-Cert", asRFC9440(x.user))
	for range 2 {
		if c, err := x.a.Authenticate(r); !errors.Is(err, access.ErrNoCredentials) {
			t.Errorf("%+v, %v", c, err)
		}
		r.TLS = nil
	}
}

// TestProxyLosesTrust: what came through a proxy ends when the proxy's CA leaves.
func TestProxyLosesTrust(t *testing.T) {
	x := newForwarding(t, "Client-Cert")
	c, err := x.from(x.proxy, "Client-Cert", asRFC9440(x.user))
	if err != nil {
		t.Fatal(err)
	}
	direct, err := x.from(x.user)
	if err != nil {
		t.Fatal(err)
	}
	testca.Rewrite(t, x.proxyFile, testca.New(t, "other"))
	wantEnd(t, c, 10*time.Second)
	if _, err := x.from(x.proxy, "Client-Cert", asRFC9440(x.user)); !errors.Is(err, ErrUnknownCA) {
		t.Errorf("through a proxy whose CA has left: %v", err)
	}
	if again, err := x.from(x.user); again != direct || err != nil || direct.Lease.Ended() {
		t.Errorf("the same caller directly: %v", err)
	}
}

// TestCrossSite: a browser's certificate is not for web pages of other sites.
func TestCrossSite(t *testing.T) {
	x := newFixture(t)
	cert := x.ca.Client("alice", nil, nil)
	for _, tt := range []struct {
		site, origin string
		want         error
	}{
		{"", "", nil}, {"none", "", nil}, {"same-origin", "", nil}, {"same-origin", "https://other.example", nil},
		{"", "https://bridge.example", nil}, {"", "https://BRIDGE.example", nil},
		{"cross-site", "", ErrCrossSite}, {"same-site", "https://bridge.example", ErrCrossSite}, {"x", "", ErrCrossSite},
		{"", "https://other.example", ErrCrossSite}, {"", "https://bridge.example:444", ErrCrossSite},
		{"", "null", ErrCrossSite}, {"", "https://bridge.example.evil.example", ErrCrossSite}, {"", "%", ErrCrossSite},
	} {
		r := request(t, &cert)
		for k, v := range map[string]string{"Sec-Fetch-Site": tt.site, "Origin": tt.origin} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if _, err := x.a.Authenticate(r); !errors.Is(err, tt.want) {
			t.Errorf("site %q, origin %q: %v, want %v", tt.site, tt.origin, err, tt.want)
		}
	}
	r := request(t, &cert)
	r.Header["Origin"] = []string{"https://bridge.example", "https://other.example"}
	if _, err := x.a.Authenticate(r); !errors.Is(err, ErrCrossSite) {
		t.Errorf("two origins: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	ca := testca.New(f, "clients")
	user := ca.Client("alice", nil, nil)
	for _, s := range []string{
		asNginx(user), asAWS(user), asRFC9440(user), `Hash=a;Cert="` + asNginx(user) + `";Subject="CN=\"a\""`,
		`a="\`, `a="b"c`, `=`, `::`, `:A:`, `-----BEGIN CERTIFICATE-----`, `Cert="",Cert=""`, `Chain=a`,
	} {
		f.Add(s, "")
		f.Add(asRFC9440(user), s)
	}
	f.Fuzz(func(t *testing.T, value, chain string) {
		h := http.Header{"Client-Cert": {value}}
		if chain != "" {
			h["Client-Cert-Chain"] = []string{chain}
		}
		read, err := readHeader(h, "Client-Cert")
		if err != nil {
			return
		}
		certs, err := read.certificates()
		switch {
		case err != nil && (certs != nil || !errors.Is(err, access.ErrUnrecognized) || len(err.Error()) > 300):
			t.Errorf("%d certificates, %v", len(certs), err)
		case err == nil && (len(certs) == 0 || len(certs) > 2*maxChain || certs[0] == nil):
			t.Errorf("%d certificates", len(certs))
		}
	})
}
