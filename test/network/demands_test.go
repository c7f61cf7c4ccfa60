//go:build linux

package network

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// gateSecret is the value of a header without which the gate lets nobody through.
const gateSecret = "Bearer s3cret-gate"

// startGate starts an nginx in front of the broker that demands a client certificate and
// a header, and returns the broker's URL there.
func (s *suite) startGate(t *testing.T) (server string) {
	t.Helper()
	at, err := freeport.AddressOn(outsideIP)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := url.Parse(s.system.WebSocketURL())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(s.programs, "gate-clients.crt")
	if err := os.WriteFile(ca, s.ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	demands := fmt.Sprintf("ssl_client_certificate %s;\nssl_verify_client on;\nif ($http_authorization != %q) { return 403; }\n", ca, gateSecret)
	gate, err := s.startNginx(t.Context(), "gate", at, demands+brokerLocations(ws.Host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Kill(); err != nil {
			t.Error(err)
		}
	})
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	return "wss://" + net.JoinHostPort(webName, port) + subPath
}

// header gives the agent the header that the gate demands.
func (si *site) header(r *route) {
	si.t.Helper()
	file := filepath.Join(si.dir, "headers")
	si.must(os.WriteFile(file, []byte("# for the gate\nAuthorization: "+gateSecret+"\n"), 0o600))
	r.flags = append(r.flags, "--header-file", file)
}

// certificate gives the agent the client certificate that the gate demands.
func (si *site) certificate(r *route) {
	si.t.Helper()
	cert, key, err := si.certify(si.dir, si.ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	si.must(err)
	r.flags = append(r.flags, "--client-cert", cert, "--client-key", key)
}

// TestDemandsOfTheWebServer: a web server in front of the broker gets what it demands
// through a proxy too, and whoever lacks one of the two is told which.
func TestDemandsOfTheWebServer(t *testing.T) {
	t.Parallel()
	testbed.Need(t)
	gate := shared.startGate(t)
	for _, name := range []string{"squid-basic", "dante"} {
		for _, test := range []struct {
			name                string
			header, certificate bool
			want                cause.ID // "": it works
		}{
			{"both", true, true, ""},
			{"no-header", false, true, cause.HTTPForbidden},
			{"no-certificate", true, false, cause.ClientCertificate},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				si := newSite(t)
				r := si.through("wss", proxyNamed(name))
				r.server = gate
				if test.header {
					si.header(&r)
				}
				if test.certificate {
					si.certificate(&r)
				}
				si.start(r)
				if test.want != "" {
					si.tells(provocation{hop: cause.HTTPUpgrade, cause: test.want})
					return
				}
				si.reachable()
				si.caller().work()
			})
		}
	}
}
