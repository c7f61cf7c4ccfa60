package dial

import (
	"encoding/pem"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
)

// nginx starts one in front of two brokers. In the text, PLAIN and SECURE are their
// WebSocket ports, without and with TLS, NATS is the port of the protocol itself, and
// NONE one that nobody listens on. It returns nginx's host:port, with TLS.
func nginx(t *testing.T, text string) string {
	t.Helper()
	b := startBroker(t)
	secure := startBrokerWith(t, natsserver.WebsocketOpts{TLSConfig: serverTLS()})
	cert, _ := identity()
	crt, key := nginxtest.Certificate(t, cert)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}) // it is its own
	text = strings.NewReplacer("PLAIN", b.ws, "SECURE", secure.ws, "NATS", b.tcp, "NONE", "127.0.0.1:1").Replace(text)
	return nginxtest.Start(t, nginxtest.Options{
		HTTP: "include fairlead/upgrade-map.conf; include fairlead/limit-zone.conf;\n" +
			"server { listen {address} ssl; ssl_certificate server.crt; ssl_certificate_key server.key;\n" + text + "\n}",
		Files: map[string][]byte{"server.crt": crt, "server.key": key, "ca.crt": ca},
	}).Address
}

// shipped is the location of deploy/nginx.
const shipped = `proxy_ssl_trusted_certificate ca.crt;
location ~ ^/-/fairlead/?$ { include fairlead/broker.conf; proxy_ssl_name example.com; proxy_pass https://SECURE; }`

// lines are those of the three that matter most, for locations that lack others.
const lines = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $fairlead_connection; "

// TestNginxThatWorks: the shipped lines, and others that do no harm.
func TestNginxThatWorks(t *testing.T) {
	for name, text := range map[string]string{
		"as shipped":                    shipped,
		"without TLS behind":            `location ~ ^/-/fairlead/?$ { include fairlead/broker.conf; proxy_pass http://PLAIN; }`,
		"buffering on":                  `location /-/fairlead { ` + lines + `proxy_buffering on; proxy_request_buffering on; proxy_pass http://PLAIN; }`,
		"a small body limit":            `location /-/fairlead { ` + lines + `client_max_body_size 1; proxy_pass http://PLAIN; }`,
		"no SNI and no verification":    `location /-/fairlead { ` + lines + `proxy_pass https://SECURE; }`,
		"Connection always upgrade":     `location /-/fairlead { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://PLAIN; }`,
		"a redirect to the slash":       `location /-/fairlead/ { ` + lines + `proxy_pass http://PLAIN/; }`,
		"only without the slash":        `location = /-/fairlead { ` + lines + `proxy_pass http://PLAIN; }`,
		"only with the slash":           `location = /-/fairlead/ { ` + lines + `proxy_pass http://PLAIN; }`,
		"a path too many behind":        `location /-/fairlead { ` + lines + `proxy_pass http://PLAIN/x; }`,
		"a slash too many":              `location /-/fairlead { ` + lines + `proxy_pass http://PLAIN/; }`,
		"over HTTP/1.0":                 `location /-/fairlead { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://PLAIN; }`,
		"one of two brokers is gone":    `location /-/fairlead { ` + lines + `proxy_next_upstream error timeout; set $a NONE; error_page 502 = @b; proxy_intercept_errors on; proxy_pass http://$a; } location @b { ` + lines + `proxy_pass http://PLAIN; }`,
		"another location for the rest": shipped + ` location / { return 404; }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := nginx(t, text)
			for _, path := range []string{"/-/fairlead", "/-/fairlead/"} {
				nc, err := connect(t, "wss://"+address+path, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					continue
				}
				works(t, nc)
			}
		})
	}
}

// TestNginxThatPeopleWriteFirst: what agents say, by setups of nginx that lack
// something. Each has its own diagnosis.
func TestNginxThatPeopleWriteFirst(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		id   cause.ID
		got  string // in the failure
		do   string // in the cure
	}{
		"no lines at all": {`location /-/fairlead { proxy_pass http://PLAIN; }`,
			cause.UpgradeRequired, "400 Bad Request, not 101", "Look in the broker's log for which of the headers Upgrade and Connection"},
		"no upgrade headers": {`location /-/fairlead { proxy_http_version 1.1; proxy_pass http://PLAIN; }`,
			cause.UpgradeRequired, "400 Bad Request", `"proxy_set_header Upgrade $http_upgrade;"`},
		"Upgrade without Connection": {`location /-/fairlead { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_pass http://PLAIN; }`,
			cause.UpgradeRequired, "400 Bad Request", `"proxy_set_header Connection $fairlead_connection;", and the http block needs "include fairlead/upgrade-map.conf;"`},
		"http:// to TLS": {`location /-/fairlead { ` + lines + `proxy_pass http://SECURE; }`,
			cause.BadGateway, "400 Bad Request", `"proxy_pass https://"`},
		"https:// to no TLS": {`location /-/fairlead { ` + lines + `proxy_pass https://PLAIN; }`,
			cause.BadGateway, "502 Bad Gateway", "error log of the web server"},
		"verified by the wrong name": {`proxy_ssl_trusted_certificate ca.crt; location /-/fairlead { include fairlead/broker.conf; proxy_pass https://SECURE; }`,
			cause.BadGateway, "502 Bad Gateway", "error log of the web server"},
		"the port of NATS": {`location /-/fairlead { ` + lines + `proxy_pass http://NATS; }`,
			cause.NotNATS, "a NATS server's TCP port", "its upstream must be the broker's WebSocket port (4223)"},
		"the port of NATS as if it had TLS": {`location /-/fairlead { ` + lines + `proxy_pass https://NATS; }`,
			cause.BadGateway, "502 Bad Gateway", "the broker's WebSocket port (4223, not 4222)"},
		"a rate limit by default": {`location / { return 503; }`,
			cause.BadGateway, "503 Service Unavailable", "limit_req_status 429"},
		"the broker is down": {`location /-/fairlead { ` + lines + `proxy_pass http://NONE; }`,
			cause.BadGateway, "502 Bad Gateway", "Its upstream is the broker's WebSocket port"},
		"another path": {`location /fairlead { ` + lines + `proxy_pass http://PLAIN; }`,
			cause.HTTPNotFound, `404 Not Found, not 101: "404 Not Found nginx`, "Compare the path with that of the location"},
		"a page at the path": {`location / { return 200 "Welcome to nginx!"; }`,
			cause.HTTPOK, "Welcome to nginx!", "In nginx the location of the broker needs the lines of deploy/nginx"},
		"a redirect elsewhere": {`location / { return 301 https://login.example/; }`,
			cause.Redirected, `Location "https://login.example/"`, "Use the address that it names"},
		"a login": {`location / { auth_basic "x"; auth_basic_user_file none; proxy_pass http://PLAIN; }`,
			cause.HTTPUnauthorized, "401 Unauthorized", "Exempt the path from the login"},
		"a list of addresses": {`location / { deny all; proxy_pass http://PLAIN; }`,
			cause.HTTPForbidden, "403 Forbidden", "address"},
		"a request line too long": {`client_header_buffer_size 64; large_client_header_buffers 1 512; location / { proxy_pass http://PLAIN; }`,
			cause.HTTPTooLarge, "414 Request-URI Too Large", "large_client_header_buffers"},
		"a rate limit": {`limit_req zone=fairlead_agents; limit_req_status 429; location / { add_header Retry-After 7 always; limit_req_dry_run off; return 429; }`,
			cause.RateLimited, `429 Too Many Requests, not 101, Retry-After "7"`, "raise the limit"},
		"a client certificate": {`ssl_client_certificate ca.crt; ssl_verify_client on; location / { proxy_pass http://PLAIN; }`,
			cause.ClientCertificate, "400 Bad Request", "--client-cert"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "/-/fairlead"
			if c.id == cause.HTTPTooLarge {
				path += "?" + strings.Repeat("x", 600)
			}
			_, err := connect(t, "wss://"+nginx(t, c.text)+path, nil)
			wantCause(t, err, c.id, c.got)
			if f := cause.Of(err); f != nil && !strings.Contains(f.Cure(), c.do) {
				t.Errorf("the cure is %q, want %q in it", f.Cure(), c.do)
			}
		})
	}
}

// TestNginxWithPlainURL: ws:// to a port of nginx that has TLS.
func TestNginxWithPlainURL(t *testing.T) {
	t.Parallel()
	_, err := connect(t, "ws://"+nginx(t, shipped)+"/-/fairlead", nil)
	wantCause(t, err, cause.BadRequest, "400 Bad Request")
	if f := cause.Of(err); f != nil && !strings.Contains(f.Cure(), "use wss://") {
		t.Errorf("the cure is %q", f.Cure())
	}
}

// TestPingsOutlastNginx: the pings of both ends keep a quiet connection through a
// proxy that cuts it after some seconds of silence. One that is less patient than the
// pings are frequent cuts it.
func TestPingsOutlastNginx(t *testing.T) {
	t.Parallel()
	for timeout, lasts := range map[string]bool{"7s": true, "2s": false} {
		nc, err := connect(t, "wss://"+nginx(t, "location / { "+lines+"proxy_read_timeout "+timeout+"; proxy_pass http://PLAIN; }"), nil)
		if err != nil {
			t.Fatal(err)
		}
		lost := nc.StatusChanged()
		select {
		case s := <-lost:
			if lasts {
				t.Errorf("%s: the connection is %s", timeout, s)
			}
		case <-time.After(15 * time.Second):
			if !lasts {
				t.Errorf("%s: the connection outlasts it", timeout)
			}
		}
	}
}
