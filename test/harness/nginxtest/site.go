package nginxtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// Place is where a shipped site is put.
type Place struct {
	Host           string // the name by which it is reached
	Bridge, Broker string // host:port of the bridge, and of the broker's WebSocket
	Name           string // that both of their certificates are for
	// CA, Cert and Key are files: the CA of bridge and broker, and nginx's own
	// certificate.
	CA, Cert, Key string
}

// Site returns a whole site of deploy/nginx at its place, for [Options.HTTP]. Every
// name that is replaced must occur in it.
func Site(t testing.TB, file string, p Place) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, "deploy", "nginx", file))
	if err != nil {
		t.Fatal(err)
	}
	host := map[string]string{"fairlead.conf": "fairlead.example.com", "fairlead-subpath.conf": "www.example.com"}[file]
	text := string(b)
	for _, pair := range [][2]string{
		{"listen 443 ssl", "listen {address} ssl"},
		{"server_name " + host + ";", "server_name " + p.Host + ";"},
		{"/etc/nginx/tls/" + host + ".crt", p.Cert},
		{"/etc/nginx/tls/" + host + ".key", p.Key},
		{"/etc/nginx/tls/fairlead-ca.crt", p.CA},
		{"    server bridge-2.internal:8443;\n", ""},
		{"    server broker-2.internal:4223;\n", ""},
		{"bridge-1.internal:8443", p.Bridge},
		{"broker-1.internal:4223", p.Broker},
		{"proxy_ssl_name bridge.internal;", "proxy_ssl_name " + p.Name + ";"},
		{"proxy_ssl_name broker.internal;", "proxy_ssl_name " + p.Name + ";"},
	} {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("deploy/nginx/%s does not have %q", file, pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}
