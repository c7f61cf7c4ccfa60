package dial

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestSubPath: a broker behind a path of a reverse proxy, which knows the path
// with a slash at its end, or without.
func TestSubPath(t *testing.T) {
	b := startBroker(t)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: b.ws})
		r.Out.URL.Path, r.Out.URL.RawPath = "/", ""
	}}
	redirecting := http.NewServeMux() // /a/b is redirected to /a/b/
	redirecting.Handle("/a/b/", proxy)
	exact := http.NewServeMux()
	exact.Handle("/a/b", proxy)
	wrongHost := http.NewServeMux() // as behind another proxy that ends TLS
	wrongHost.Handle("/a/b/{$}", proxy)
	wrongHost.HandleFunc("/a/b", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://internal:8080/a/b/")
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	escaped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/100%25/a%2Fb?x=%26" {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	if nc, err := connect(t, "wss://"+web(t, escaped)+"/100%25/a%2Fb?x=%26", nil); err != nil {
		t.Errorf("an escaped path: %v", err)
	} else {
		works(t, nc)
	}
	for name, h := range map[string]http.Handler{"redirecting": redirecting, "exact": exact, "wrong host": wrongHost} {
		address := web(t, h)
		for _, path := range []string{"/a/b", "/a/b/"} {
			t.Run(name+path, func(t *testing.T) {
				nc, err := connect(t, "wss://"+address+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				works(t, nc)
			})
		}
		_, err := connect(t, "wss://"+address+"/other", nil)
		wantCause(t, err, cause.HTTPNotFound, "404 Not Found")
	}
}

// TestRefusedAtTheOtherForm: a failure is of the form of the path that exists, with the
// time to wait that it asks for.
func TestRefusedAtTheOtherForm(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/ws/")
		w.WriteHeader(http.StatusMovedPermanently)
	}
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "120")
			}
			w.WriteHeader(status)
		}
	}
	bare101 := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
		_ = conn.Close()
	}
	for name, test := range map[string]struct {
		first, second http.HandlerFunc
		want          cause.ID
		wait          time.Duration
	}{
		"301, then 429":         {redirect, status(429), cause.RateLimited, 2 * time.Minute},
		"404, then 429":         {status(404), status(429), cause.RateLimited, 2 * time.Minute},
		"301, then 401":         {redirect, status(401), cause.HTTPUnauthorized, 0},
		"404, then 401":         {status(404), status(401), cause.HTTPUnauthorized, 0},
		"301, then 403":         {redirect, status(403), cause.HTTPForbidden, 0},
		"404, then 502":         {status(404), status(502), cause.BadGateway, 0},
		"301, then 404":         {redirect, status(404), cause.HTTPNotFound, 0},
		"404, then 301":         {status(404), redirect, cause.HTTPNotFound, 0},
		"404, then 404":         {status(404), status(404), cause.HTTPNotFound, 0},
		"301, then no Upgrade":  {redirect, bare101, cause.UpgradeRequired, 0},
		"404, then no Upgrade":  {status(404), bare101, cause.UpgradeRequired, 0},
		"429 at once, no retry": {status(429), status(401), cause.RateLimited, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("/ws", test.first)
			mux.HandleFunc("/ws/", test.second)
			_, err := connect(t, "wss://"+web(t, mux)+"/ws", nil)
			wantCause(t, err, test.want)
			var wait time.Duration
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				wait, _ = refusal.Wait(time.Now())
			}
			if wait != test.wait {
				t.Errorf("wait %v, want %v", wait, test.wait)
			}
		})
	}
}

// TestBrokerWithoutProxy: a broker's own WebSocket takes any path.
func TestBrokerWithoutProxy(t *testing.T) {
	b := startBroker(t)
	secure := startBrokerWith(t, natsserver.WebsocketOpts{TLSConfig: serverTLS()}) // its greeting asks for TLS
	for _, server := range []string{"ws://" + b.ws, "ws://" + b.ws + "/", "ws://" + b.ws + "/a/b?c=d", "tls://" + b.tcp, "wss://" + secure.ws} {
		nc, err := connect(t, server, nil)
		if err != nil {
			t.Fatalf("%s: %v", server, err)
		}
		works(t, nc)
	}
}

// TestHeaders: what a web server on the way wants to see is sent, and by which name the
// server is asked for.
func TestHeaders(t *testing.T) {
	b := startBroker(t)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: b.ws}) }}
	address := web(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "inner.example" || r.Header.Get("X-Token") != "t" || r.UserAgent() != "fairlead" || len(r.Header["Sec-Websocket-Key"]) != 1 {
			http.Error(w, fmt.Sprint(r.Host, r.Header), http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	nc, err := connect(t, "wss://"+address, func(d *Dialer) { d.Header = http.Header{"X-Token": {"t"}, "Host": {"inner.example"}} })
	if err != nil {
		t.Fatal(err)
	}
	works(t, nc)
	_, err = connect(t, "wss://"+address, nil)
	wantCause(t, err, cause.HTTPForbidden)
}
