package dial

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// TestNginx: the reverse proxy that stands before most brokers.
func TestNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("FAIRLEAD_E2E") == "require" {
			t.Fatal("nginx is not installed")
		}
		t.Skip("nginx is not installed")
	}
	b := startBroker(t)
	dir := t.TempDir()
	listen := filepath.Join(dir, "socket")
	config := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
  server {
    listen unix:%[2]s;
    location /-/fairlead/ {
      proxy_pass http://%[3]s/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }
    location /no-upgrade/ { proxy_pass http://%[3]s/; }
    location /gone/ { proxy_pass http://127.0.0.1:1/; }
  }
}
`, dir, listen, b.ws)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-c", file, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(listen); err == nil {
			break
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx is not up within 10 s: %s", log)
		}
	}
	address := relay(t, listen)
	for _, path := range []string{"/-/fairlead", "/-/fairlead/"} {
		nc, err := connect(t, "ws://"+address+path, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		works(t, nc)
	}
	_, err = connect(t, "ws://"+address+"/no-upgrade/", nil)
	wantCause(t, err, cause.BadRequest, "400 Bad Request, not 101")
	_, err = connect(t, "ws://"+address+"/gone/", nil)
	wantCause(t, err, cause.BadGateway, "502 Bad Gateway, not 101", "does not reach the broker")
	_, err = connect(t, "ws://"+address+"/other", nil)
	wantCause(t, err, cause.HTTPNotFound, "404 Not Found, not 101")
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
