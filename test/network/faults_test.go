//go:build linux

package network

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// faults are the servers of an nginx that does everything wrong, by name.
type faults struct {
	once    sync.Once
	err     error
	at      map[string]string // addresses
	process *harness.Process
}

// faulty is the URL of the broker at one of these servers, by WebSocket.
func (si *site) faulty(server, path string) string {
	si.t.Helper()
	f := si.faults()
	_, port, err := net.SplitHostPort(f.at[server])
	if err != nil {
		si.t.Fatalf("server %s: %v", server, err)
	}
	return "wss://" + net.JoinHostPort(webName, port) + path
}

// faults starts them for the first test.
func (si *site) faults() *faults {
	si.t.Helper()
	f := si.broken
	f.once.Do(func() { f.err = si.startFaults(f) }) // not with the test's context: others use them later
	if f.err != nil {
		si.t.Fatal(f.err)
	}
	return f
}

// tlsServers are servers whose TLS is at fault: how their certificate differs, who has
// signed it, and more directives.
func (s *suite) tlsServers() (map[string]tlsServer, error) {
	other, err := testca.Make("other CA")
	if err != nil {
		return nil, err
	}
	client := "ssl_verify_client on; ssl_client_certificate DIR/ca.crt;"
	return map[string]tlsServer{
		"unknown-ca": {ca: other},
		"expired": {ca: s.ca, change: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		}},
		"early": {ca: s.ca, change: func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Hour)
			c.NotAfter = time.Now().Add(4 * time.Hour)
		}},
		"other-name":   {ca: s.ca, change: func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"www.corp.example"}, nil }},
		"for-clients":  {ca: s.ca, change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }},
		"wants-client": {ca: s.ca, more: client},
		"no-handshake": {ca: s.ca, more: "ssl_reject_handshake on;"},
		"down":         {ca: s.ca, more: "location / { return 503; }"}, // as an API server that starts
		"web":          {ca: s.ca, more: "LOCATIONS"},
		"good": {ca: s.ca, more: `location / { proxy_pass https://BROKER/; proxy_http_version 1.1;
	proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }`},
	}, nil
}

type tlsServer struct {
	ca     *testca.CA
	change func(*x509.Certificate)
	more   string
}

// locations are what a web server answers instead of what a broker does.
const locations = `
location = /200 { return 200 "<html>a page</html>"; }
location = /301 { return 301 https://www.corp.example/login; }
location = /400 { return 400; }
location = /401 { auth_basic "corp"; auth_basic_user_file DIR/users; }
location = /403 { deny all; }
location = /404 { return 404; }
location = /413 { return 413; }
location = /418 { return 418 "a teapot"; }
location = /426 { return 426; }
location = /429 { add_header Retry-After 30 always; return 429; }
location = /429-often { add_header Retry-After 0 always; return 429; }
location = /444 { return 444; }
location = /502 { proxy_pass https://127.0.0.1:9; }
location = /503 { return 503; }
location = /504 { proxy_connect_timeout 1s; proxy_pass https://SILENT; proxy_read_timeout 1s; }
location = /no-upgrade { proxy_pass https://BROKER/; proxy_http_version 1.1; }
# An agent says something 0, 1 and 2 s after it has connected, and 3 s later it is asked whether
# it is there: it is cut after 4 s.
location = /cut { proxy_pass https://BROKER/; proxy_http_version 1.1; proxy_read_timeout 2s;
	proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
location = /http-1.0 { proxy_pass https://BROKER/; }
`

// startFaults starts an nginx with all of them.
func (s *suite) startFaults(f *faults) error {
	f.at = map[string]string{}
	dir, err := s.newDir("faults")
	if err != nil {
		return err
	}
	if err := s.faultFiles(dir); err != nil {
		return err
	}
	servers, err := s.tlsServers()
	if err != nil {
		return err
	}
	var http, stream strings.Builder
	for name, server := range servers {
		certDir, err := s.newDir(name)
		if err != nil {
			return err
		}
		cert, key, err := s.certify(certDir, server.ca, server.change)
		if err != nil {
			return err
		}
		if f.at[name], err = freeport.AddressOn(outsideIP); err != nil {
			return err
		}
		fmt.Fprintf(&http, "server { listen %s ssl; ssl_certificate %s; ssl_certificate_key %s; %s }\n", f.at[name], cert, key, server.more)
	}
	for name, text := range map[string]string{
		"plain": "http", "ssh": `SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n`, "moon": `INFO {\"server_id\":\"m\",\"max_payload\":1048576,\"headers\":true}\r\n-ERR 'The moon is full'\r\n`, "endless": "INFO {" + strings.Repeat("$pad", 17), // 68 KB
	} {
		if f.at[name], err = freeport.AddressOn(outsideIP); err != nil {
			return err
		}
		if text == "http" {
			fmt.Fprintf(&http, "server { listen %s; location / { return 200 page; } }\n", f.at[name])
			continue
		}
		// nginx limits what stands in its configuration to 4 KB.
		fmt.Fprintf(&stream, "server { listen %s; set $pad \"%s\"; return \"%s\"; }\n", f.at[name], strings.Repeat(" ", 4000), text)
	}
	f.process, err = s.runFaults(dir, f.at["web"], http.String(), stream.String())
	return err
}

func (s *suite) faultFiles(dir string) error {
	if _, err := write(dir, "users", proxyUser+":"+hashed+"\n"); err != nil {
		return err
	}
	_, err := write(dir, "ca.crt", string(s.ca.PEM()))
	return err
}

func (s *suite) runFaults(dir, listen, http, stream string) (*harness.Process, error) {
	broker := strings.TrimPrefix(s.system.WebSocketURL(), "wss://")
	http = strings.ReplaceAll(http, "LOCATIONS", locations)
	text := strings.NewReplacer("DIR", dir, "BROKER", broker, "SILENT", "192.0.2.1:9").Replace(`
load_module ` + filepath.Join("/usr/lib/nginx/modules", "ngx_stream_module.so") + `;
` + nginxHead + `	` + http + `
}
stream {
	` + stream + `
}
`)
	config, err := write(dir, "nginx.conf", text)
	if err != nil {
		return nil, err
	}
	return s.run(context.Background(), program{name: "faults", dir: dir, path: "nginx", args: []string{"-p", dir, "-c", config}, listen: listen})
}
