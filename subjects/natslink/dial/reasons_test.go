package dial

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAnswersOfProxies: if another server answers the WebSocket handshake instead of
// the broker, the error names it.
func TestAnswersOfProxies(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   []string
	}{
		"301": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/?token=secret", http.StatusMovedPermanently)
		}, []string{"answered with 301 Moved Permanently, not 101", `Location "https://login.example/"`}},
		"401": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, []string{"401 Unauthorized, not 101", "a login of its own"}},
		"403": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "<html><style>p{color:red}</style><p>blocked by\r\n\x1b[31m policy</p>"+strings.Repeat("z", 10000))
		}, []string{"403 Forbidden, not 101", `: "blocked by [31m policy zzz`, "..."}},
		"404": {http.NotFound, []string{"404 Not Found", "wrong path?"}},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(429)
		}, []string{"429 Too Many Requests", `Retry-After "17"`, "rate limit"}},
		"502": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, []string{"502 Bad Gateway", "does not reach the broker"}},
		"200": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Welcome") }, []string{"200 OK, not 101", "Welcome"}},
		"a redirect to the root": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
			[]string{"302 Found, not 101", `Location "/"`}},
		"long head": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("z", 100<<10)) },
			[]string{"head of the response is over 16384 bytes long"}},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []string{"WebSocket handshake: no response", "timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, "wss://"+web(t, test.answer)+"/some/path", func(d *Dialer) { d.Timeout = 3 * time.Second })
			wantFailure(t, err, test.want...)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows a query: %v", err)
			}
		})
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
		want   string
	}{
		"wss to NATS":            {"wss://" + b.tcp, nil, "a NATS server's TCP port: use tls://"},
		"ws to NATS":             {"ws://" + b.tcp, nil, "a NATS server's TCP port, not a WebSocket"},
		"wss to plain HTTP":      {"wss://" + plain.Listener.Addr().String(), nil, "speaks HTTP without TLS"},
		"tls to HTTP":            {"tls://" + plain.Listener.Addr().String(), nil, "accepts the connection and sends nothing"},
		"tls to HTTPS":           {"tls://" + web(t, http.NotFoundHandler()), nil, "accepts the connection and sends nothing"},
		"tls to SSH":             {"tls://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); silent(c) }), nil, `begins with "SSH-2.0-x"`},
		"tls to impatient HTTP":  {"tls://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") }), nil, "speaks HTTP, not NATS"},
		"tls to one that closes": {"tls://" + raw(t, func(net.Conn) {}), nil, "closes the connection without"},
		"tls to endless INFO": {"tls://" + raw(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {")
			for {
				if _, err := io.WriteString(c, strings.Repeat(" ", 8<<10)); err != nil {
					return
				}
			}
		}), nil, "first line is over 65536 bytes long"},
		"wss to SSH":   {"wss://" + raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n"); silent(c) }), nil, "does not speak TLS"},
		"nobody":       {"wss://127.0.0.1:1", nil, "connection refused"},
		"no such name": {"wss://no-such-host.invalid", nil, "no such host"},
		"TLS refused": {"wss://" + web(t, http.NotFoundHandler()), func(d *Dialer) {
			d.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, RootCAs: roots, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
		}, "TLS: remote error: tls: handshake failure"},
		"unknown CA": {"wss://" + web(t, http.NotFoundHandler()), func(d *Dialer) { d.TLS = &tls.Config{MinVersion: tls.VersionTLS12} },
			"certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, test.server, test.change)
			wantFailure(t, err, test.want)
		})
	}
}

func TestSaid(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 `""`,
		"  a\r\n\tb\x00\x1b[0m ":           `"a b [0m"`,
		"<h1>No</h1><script>x<y</script> ": `"No"`,
		"\xff":                             `"?"`,
		strings.Repeat("ä", 200):           fmt.Sprintf("%q", strings.Repeat("ä", maxSaid)+"..."),
	} {
		if got := said([]byte(in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
