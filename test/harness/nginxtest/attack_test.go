package nginxtest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/clientcert"
)

// send writes bytes to nginx as a caller that keeps to no rule of HTTP, and returns the
// status of the first response; 0 if there is none.
func send(t *testing.T, url string, client *http.Client, request string) int {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), client.Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprint(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestCertificateHeadersAreRemoved: nginx may authenticate itself to the bridge, which then
// reads the caller's certificate in a header: a caller that sends it itself gets nowhere,
// also where the site forgets to set it.
func TestCertificateHeadersAreRemoved(t *testing.T) {
	for file, prefix := range map[string]string{"fairlead.conf": "", "fairlead-subpath.conf": "/fairlead"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			url, client, seen := site(t, file)
			names := append(clientcert.Headers(), "Client-Cert-Chain")
			var spoofed []string
			for _, name := range names {
				spoofed = append(spoofed, name, ":MIIB:")
			}
			get(t, client, url+prefix+"/v1/whoami", spoofed...)
			h := (<-seen).request.Header
			for _, name := range names {
				if h[name] != nil {
					t.Errorf("%s arrives as %q", name, h[name])
				}
			}
			raw := "GET " + prefix + "/v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			for _, name := range names {
				raw += strings.ToLower(name) + ": :MIIB:\r\n" + name + ": :MIIC:\r\n" + strings.ReplaceAll(name, "-", "_") + ": :MIID:\r\n"
			}
			if status := send(t, url, client, raw+"\r\n"); status != http.StatusCreated {
				t.Fatalf("status %d", status)
			}
			for name, values := range (<-seen).request.Header {
				if strings.HasPrefix(values[0], ":MII") {
					t.Errorf("%s arrives as %q", name, values)
				}
			}
		})
	}
}

// TestCertificateHeaderOfNginx: the line that passes a certificate on stands beside those
// that remove what callers send.
func TestCertificateHeaderOfNginx(t *testing.T) {
	t.Parallel()
	url, client, seen := siteWith(t, "fairlead.conf", func(site string) string {
		return strings.ReplaceAll(site, "include fairlead/bridge.conf;", "include fairlead/bridge.conf; proxy_set_header X-SSL-Client-Cert \"of $scheme\";")
	})
	get(t, client, url+"/v1/whoami", "X-SSL-Client-Cert", "spoofed")
	if got := (<-seen).request.Header["X-Ssl-Client-Cert"]; len(got) != 1 || got[0] != "of https" {
		t.Errorf("the header arrives as %q", got)
	}
}

// TestOneRequestStaysOne: whatever lengths, encodings and versions a caller claims, nothing
// behind nginx sees a second request in a body, and no address but the caller's.
func TestOneRequestStaysOne(t *testing.T) {
	t.Parallel()
	url, client, seen := site(t, "fairlead.conf")
	type form struct {
		name   string
		closes bool // otherwise what follows is the caller's own second request
	}
	forms := map[string]form{}
	const second = "GET /k8s/clusters/smuggled/ HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked := fmt.Sprintf("0\r\n\r\n%s", second)
	for name, request := range map[string]string{
		"two lengths":             "POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\nContent-Length: 60\r\n\r\nabc" + second,
		"length and chunks":       "POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"spaced chunks":           "POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\nTransfer-Encoding : chunked\r\n\r\n" + chunked,
		"strange chunks":          "POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\nTransfer-Encoding: \x0bchunked\r\n\r\nabc" + second,
		"chunks in HTTP/1.0":      "POST /v1/x HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"a wrong length":          "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: +3\r\n\r\nabc" + second,
		"an upgrade with a body":  "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 3\r\n\r\nabc" + second,
		"an upgrade of a broker":  "GET /-/fairlead/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\n\r\n" + second,
		"a header with a newline": "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: a\n" + "X-Forwarded-For: 203.0.113.1\r\n\r\n",
		"Connection: a header":    "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close, X-Forwarded-For\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n",
		"two addresses":           "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.1\r\nx-forwarded-for: 203.0.113.2\r\nX_Forwarded_For: 203.0.113.3\r\n\r\n",
		"an absolute target":      "GET http://203.0.113.1/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"another host's location": "GET /x/..//-/fairlead HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		// A second request may arrive while the next form is tried: it tells whose it is.
		mark := fmt.Sprintf("/smuggled/%d/", len(forms))
		forms[mark] = form{name, strings.Contains(request, "Connection: close")}
		send(t, url, client, strings.ReplaceAll(request, "/smuggled/", mark))
	}
	get(t, client, url+"/v1/last")
	for last := false; !last; {
		r := (<-seen).request
		last = r.RequestURI == "/v1/last"
		if f, smuggled := forms[strings.TrimPrefix(r.RequestURI, "/k8s/clusters")]; smuggled && f.closes {
			t.Errorf("%s: a second request arrives", f.name)
		} else if !smuggled && strings.Contains(r.RequestURI, "smuggled") {
			t.Errorf("a request arrives for %s", r.RequestURI)
		}
		if h := r.Header; len(h["X-Forwarded-For"]) != 1 || h.Get("X-Forwarded-For") != "127.0.0.1" || h["X_forwarded_for"] != nil {
			t.Errorf("%s: addresses %q", r.RequestURI, h["X-Forwarded-For"])
		}
	}
}
