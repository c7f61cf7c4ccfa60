package agenttest

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// Discard is a log that nobody reads.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Server starts an API server: HTTP/2 and HTTP/1.1 over TLS, or HTTP/1.1 only.
func Server(t testing.TB, h2 bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// ConfigFor returns a configuration that trusts s.
func ConfigFor(s *httptest.Server) *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

// RawServer accepts connections and hands each to serve, which owns it.
func RawServer(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting, serving sync.WaitGroup
	var conns []net.Conn
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			serving.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}

// Protocols runs a test with an API server that speaks HTTP/2, and with one that
// does not.
func Protocols(t *testing.T, f func(t *testing.T, h2 bool)) {
	for _, h2 := range []bool{true, false} {
		t.Run(map[bool]string{true: "HTTP2", false: "HTTP1"}[h2], func(t *testing.T) { f(t, h2) })
	}
}

// Kube is an API server with a version, and with whatever h serves.
func Kube(t *testing.T, h http.HandlerFunc) *httptest.Server {
	return Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			_, _ = io.WriteString(w, "ok")
		case "/version":
			_, _ = io.WriteString(w, `{"gitVersion":"v1.34.4","platform":"linux/amd64"}`)
		default:
			h(w, r)
		}
	})
}
