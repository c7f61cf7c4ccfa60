package dial

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestAnswersOfProxies: if another server answers the WebSocket handshake instead of
// the broker, the error names it.
func TestAnswersOfProxies(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, pair := range header {
				name, value, _ := strings.Cut(pair, ": ")
				w.Header().Set(name, value)
			}
			w.WriteHeader(code)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		cause  cause.ID
		want   []string
	}{
		"301": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/?token=secret", http.StatusMovedPermanently)
		}, cause.Redirected, []string{"answered with 301 Moved Permanently, not 101", `Location "https://login.example/"`}},
		"401": {status(401), cause.HTTPUnauthorized, []string{"401 Unauthorized, not 101", "a login in front of the broker"}},
		"403": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "<html><style>p{color:red}</style><p>blocked by\r\n\x1b[31m policy</p>"+strings.Repeat("z", 10000))
		}, cause.HTTPForbidden, []string{"403 Forbidden, not 101", `: "blocked by [31m policy zzz`, "..."}},
		"404":            {http.NotFound, cause.HTTPNotFound, []string{"404 Not Found", "no such path"}},
		"413":            {status(413), cause.HTTPTooLarge, []string{"413 Request Entity Too Large"}},
		"426":            {status(426), cause.UpgradeRequired, []string{"426 Upgrade Required"}},
		"429":            {status(429, "Retry-After: 17"), cause.RateLimited, []string{"429 Too Many Requests", `Retry-After "17"`}},
		"503 of a limit": {status(503, "RateLimit-ResetTime: soon"), cause.RateLimited, []string{"503 Service Unavailable", `RateLimit-ResetTime "soon"`}},
		"503":            {status(503), cause.BadGateway, []string{"503 Service Unavailable"}},
		"502":            {status(502), cause.BadGateway, []string{"502 Bad Gateway", "does not reach the broker"}},
		"418":            {status(418), cause.HTTPStatus, []string{"418 I'm a teapot"}},
		"400 for a certificate": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "400 No required SSL certificate was sent", 400)
		}, cause.ClientCertificate, []string{"No required SSL certificate"}},
		"200":                    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Welcome") }, cause.HTTPOK, []string{"200 OK, not 101", "Welcome"}},
		"a redirect to the root": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, cause.Redirected, []string{"302 Found, not 101", `Location "/"`}},
		"101 without Upgrade":    {status(101, "Connection: upgrade"), cause.UpgradeRequired, []string{`101 without the headers of a WebSocket: Upgrade is ""`}},
		"101 of another kind":    {status(101, "Connection: upgrade", "Upgrade: h2c"), cause.UpgradeRequired, []string{`Upgrade is "h2c"`}},
		"101 for another key":    {status(101, "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"), cause.UpgradeRequired, []string{"Sec-WebSocket-Accept"}},
		"long head":              {status(200, "X: "+strings.Repeat("z", 100<<10)), cause.HTTPStatus, []string{"head of the response is over 16384 bytes long"}},
		"silence":                {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, cause.Timeout, []string{"WebSocket handshake with wss://", "no response: "}},
		"the end":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, cause.ConnectionLost, []string{"no response: EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, "wss://"+web(t, test.answer)+"/some/path?token=secret", func(d *Dialer) { d.Timeout = 3 * time.Second })
			wantCause(t, err, test.cause, test.want...)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows a query: %v", err)
			}
			if f := cause.Of(err); f.Hop != cause.HTTPUpgrade {
				t.Errorf("hop %s", f.Hop)
			}
		})
	}
}

// TestBridgeInsteadOfBroker: the port of a bridge is named as what it is, whatever it answers.
func TestBridgeInsteadOfBroker(t *testing.T) {
	for _, body := range []string{`{"kind":"Status","apiVersion":"v1","status":"Failure","code":404}`, `{"type":"urn:fairlead:error:not-found","status":404}`} {
		_, err := connect(t, "wss://"+web(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(BridgeHeader, "not-found")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		})), nil)
		wantCause(t, err, cause.HTTPNotFound, "404 Not Found")
		if f := cause.Of(err); f != nil && !strings.Contains(f.Cure(), "This is a Fairlead bridge") {
			t.Errorf("%s: the cure is %q", body, f.Cure())
		}
	}
}

// TestRefusalKeepsHeaders: what a rate limit and a clock say is there for the caller.
func TestRefusalKeepsHeaders(t *testing.T) {
	_, err := connect(t, "wss://"+web(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.Header().Set("RateLimit-ResetTime", "Sat, 28 Nov 2026 16:00:00 GMT")
		w.Header().Set("Date", "Sat, 28 Nov 2026 15:59:00 GMT")
		w.WriteHeader(http.StatusTooManyRequests)
	})), nil)
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Status != 429 || r.RetryAfter != "17" || r.RateLimitReset != "Sat, 28 Nov 2026 16:00:00 GMT" || r.Date != "Sat, 28 Nov 2026 15:59:00 GMT" {
		t.Errorf("got %+v of %v", r, err)
	}
}

// TestOtherKindsOfServers: a port that is another's is named as what it is.
func TestOtherKindsOfServers(t *testing.T) {
	b := startBroker(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	_, roots := identity()
	for name, test := range map[string]struct {
		server string
		change func(*Dialer)
		hop    cause.Hop
		cause  cause.ID
		want   string
	}{
		"wss to NATS":            {"wss://" + b.tcp, nil, cause.TLS, cause.NotTLS, "a NATS server's TCP port: use tls://"},
		"ws to NATS":             {"ws://" + b.tcp, nil, cause.HTTPUpgrade, cause.NotNATS, "a NATS server's TCP port, not a WebSocket"},
		"wss to plain HTTP":      {"wss://" + plain.Listener.Addr().String(), nil, cause.TLS, cause.NotTLS, "speaks HTTP without TLS"},
		"tls to HTTP":            {"tls://" + plain.Listener.Addr().String(), nil, cause.NATS, cause.NotNATS, "accepts the connection and sends nothing"},
		"tls to HTTPS":           {"tls://" + web(t, http.NotFoundHandler()), nil, cause.NATS, cause.NotNATS, "accepts the connection and sends nothing"},
		"tls to SSH":             {"tls://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); silent(c) }), nil, cause.NATS, cause.NotNATS, `begins with "SSH-2.0-x"`},
		"tls to impatient HTTP":  {"tls://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") }), nil, cause.NATS, cause.NotNATS, "speaks HTTP, not NATS"},
		"tls to one that closes": {"tls://" + raw(t, func(net.Conn) {}), nil, cause.NATS, cause.ConnectionLost, "closes the connection without"},
		"tls to endless INFO": {"tls://" + raw(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {")
			for {
				if _, err := io.WriteString(c, strings.Repeat(" ", 8<<10)); err != nil {
					return
				}
			}
		}), nil, cause.NATS, cause.ProtocolMismatch, "first line is over 65536 bytes long"},
		"wss to SSH":   {"wss://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); silent(c) }), nil, cause.TLS, cause.NotTLS, "does not speak TLS"},
		"nobody":       {"wss://127.0.0.1:1", nil, cause.TCP, cause.Refused, "connection refused"},
		"no such name": {"wss://no-such-host.invalid", nil, cause.DNS, cause.UnknownHost, "no such host"},
		"TLS refused": {"wss://" + web(t, http.NotFoundHandler()), func(d *Dialer) {
			d.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, RootCAs: roots, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
		}, cause.TLS, cause.TLSRefused, "remote error: tls: handshake failure"},
		"unknown CA": {"wss://" + web(t, http.NotFoundHandler()), func(d *Dialer) { d.TLS = &tls.Config{MinVersion: tls.VersionTLS12} },
			cause.TLS, cause.CertificateUnknown, "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, test.server, test.change)
			wantCause(t, err, test.cause, test.want)
			if f := cause.Of(err); f != nil && f.Hop != test.hop {
				t.Errorf("hop %s, want %s", f.Hop, test.hop)
			}
		})
	}
}

// TestEchoOfHeaders: a server that shows what it was sent, as error pages for debugging do,
// brings no secret of a header and no query into what is told of it.
func TestEchoOfHeaders(t *testing.T) {
	const token, query = "tok-0123456789abcdef", "key-fedcba9876543210"
	everything := func(r *http.Request) string {
		return "token " + token + ", query " + r.URL.RawQuery + ", cookie " + r.Header.Get("Cookie") + ", password " + "hunter22"
	}
	for name, answer := range map[string]http.HandlerFunc{
		"page": func(w http.ResponseWriter, r *http.Request) { http.Error(w, everything(r), http.StatusUnauthorized) },
		"cut off": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat("z", 495)+" "+token, http.StatusUnauthorized)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/login/"+token)
			w.WriteHeader(302)
		},
		"limit": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", everything(r))
			w.WriteHeader(429)
		},
		"101": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "upgrade")
			w.Header().Set("Upgrade", everything(r))
			w.WriteHeader(101)
		},
	} {
		_, err := connect(t, "wss://"+web(t, answer)+"/path?secret="+query, func(d *Dialer) {
			d.Header = http.Header{
				"X-Auth": {"Bearer " + token}, "Cookie": {"session=" + token},
				"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("me:hunter22"))},
			}
		})
		if err == nil {
			t.Fatalf("%s: connected", name)
		}
		for _, secret := range []string{token, query, "hunter22", token[:8], query[:8]} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: shows %q: %v", name, secret, err)
			}
		}
	}
	_, err := connect(t, "wss://"+raw(t, func(c net.Conn) {
		c = tls.Server(c, serverTLS())
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		_, _ = c.Write(append([]byte("You said "), b[:n]...))
	})+"/"+"?secret="+query, func(d *Dialer) { d.Header = http.Header{"X-Auth": {token}} })
	if err == nil || strings.Contains(err.Error(), query[:8]) || strings.Contains(err.Error(), token[:8]) {
		t.Errorf("a server without HTTP: %v", err)
	}
}
