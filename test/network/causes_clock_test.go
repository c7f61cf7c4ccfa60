//go:build linux

package network

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// clockProvocations have other machines whose clock is two hours ahead. libfaketime does
// not reach the clock of an agent, which is a static binary, but for it the two are the
// same: its own clock is behind.
var clockProvocations = []provocation{
	{hop: cause.JWT, cause: cause.ClockSkew, how: "by the date of the web server", open: true, set: func(si *site) route {
		si.creds = si.validInAnHour()
		return route{server: "wss://" + webName + ":" + port(si, si.ahead("broker", si.system.WebSocketURL())) + "/"}
	}},
	{hop: cause.JWT, cause: cause.ClockSkew, how: "by the date of the API server", open: true, set: func(si *site) route {
		si.creds = si.validInAnHour()
		return si.apiAhead(si.server("tls"))
	}},
	{hop: cause.TLS, cause: cause.ClockSkew, how: "certificate by the date of the API server", open: true, set: func(si *site) route {
		return si.apiAhead(si.faulty("early", "/"))
	}},
	{hop: cause.TLS, cause: cause.ClockSkew, how: "certificate by the date of squid", set: func(si *site) route {
		return proxied("squid-ahead", squidAhead, "http", proxyUser+":"+proxyPassword+"@")(si).to(si.faulty("early", "/"))
	}},
}

// twoHoursAhead is the environment of a program whose clock is ahead.
func twoHoursAhead() []string {
	libraries, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1") // its only error is a bad pattern
	return []string{"LD_PRELOAD=" + strings.Join(libraries, ":"), "FAKETIME=+2h", "FAKETIME_DONT_FAKE_MONOTONIC=1"}
}

// squidAhead is a squid whose clock is ahead. It tells the date when it asks for a login.
func squidAhead(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	return one(s.startSquid(ctx, name, listen, "http_port "+listen, withBasic, twoHoursAhead()...))
}

func port(si *site, address string) string {
	si.t.Helper()
	u, err := url.Parse("https://" + address)
	si.must(err)
	return u.Port()
}

// validInAnHour is a file with credentials that are valid by a clock two hours ahead only.
func (si *site) validInAnHour() (file string) {
	si.t.Helper()
	return si.signed("agent.nk", func(c *jwt.UserClaims) { c.NotBefore = time.Now().Add(time.Hour).Unix() })
}

// ahead starts an nginx in front of a server, whose clock is two hours ahead, and returns
// its address.
func (si *site) ahead(name, server string) (address string) {
	si.t.Helper()
	ctx := si.t.Context()
	name = fmt.Sprintf("ahead-%s-%s", name, si.cluster)
	dir, err := si.newDir(name)
	si.must(err)
	cert, key, err := si.certify(dir, si.suite.ca, nil)
	si.must(err)
	address, err = freeport.AddressOn(outsideIP)
	si.must(err)
	_, host, _ := strings.Cut(server, "://")
	config, err := write(dir, "nginx.conf", strings.ReplaceAll(nginxHead, "DIR", dir)+fmt.Sprintf(`	server {
		listen %s ssl; ssl_certificate %s; ssl_certificate_key %s;
		location / { proxy_pass https://%s; proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
	}
}
`, address, cert, key, host))
	si.must(err)
	process, err := si.run(ctx, program{name: name, dir: dir, path: "nginx", args: []string{"-p", dir, "-c", config}, listen: address, env: twoHoursAhead()})
	si.must(err)
	si.t.Cleanup(func() { _ = process.Kill() })
	return address
}

// apiAhead is the way to a broker for an agent whose API server's clock is ahead.
func (si *site) apiAhead(broker string) route {
	si.t.Helper()
	address := si.ahead("api", si.Kube.Server)
	r := kubeWith(func(si *site, c *clientcmdapi.Config) {
		server(c).Server, server(c).TLSServerName, server(c).CertificateAuthorityData = "https://"+address, webName, si.ca.PEM()
	})(si)
	return r.to(broker)
}
