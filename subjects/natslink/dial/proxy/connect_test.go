package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// httpProxy is a proxy that wants Basic credentials.
type httpProxy struct {
	credentials string // user:password, "" for none
	close       bool   // it closes the connection after a 407

	mu    sync.Mutex
	asked []string // authorizations
	conns int
}

func (p *httpProxy) serve(c net.Conn) {
	p.mu.Lock()
	p.conns++
	p.mu.Unlock()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.asked = append(p.asked, req.Header.Get("Proxy-Authorization"))
		p.mu.Unlock()
		req.Header["Authorization"] = req.Header["Proxy-Authorization"]
		user, password, _ := req.BasicAuth()
		if p.credentials != "" && user+":"+password != p.credentials {
			body := strings.Repeat("z", 10_000)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"a, NTLM\"\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			if p.close {
				return
			}
			continue
		}
		out, err := net.Dial("tcp", req.Host)
		if err != nil {
			_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
			return
		}
		first := make([]byte, 6) // the server's greeting, in one piece with the answer
		_, _ = io.ReadFull(out, first)
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n"+string(first))
		carry(c, out, r)
		return
	}
}

// TestBasic: the password is sent after the proxy has asked for it, on the same
// connection if the proxy keeps it.
func TestBasic(t *testing.T) {
	server := echo(t)
	for _, test := range []struct {
		name  string
		proxy *httpProxy
		conns int
	}{
		{"none asked for", &httpProxy{}, 1},
		{"kept open", &httpProxy{credentials: "u:p:hunter2"}, 1},
		{"closed", &httpProxy{credentials: "u:p:hunter2", close: true}, 2},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(test.name+" "+scheme, func(t *testing.T) {
				p := &httpProxy{credentials: test.proxy.credentials, close: test.proxy.close}
				serve := p.serve
				if scheme == "https" {
					serve = overTLS(serve)
				}
				conn, err := reach(t, Proxies{CAFile: caFile(t)}, scheme+"://u:p%3Ahunter2@"+listen(t, serve), server)
				wantEcho(t, conn, err)
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.asked[0] != "" || p.conns != test.conns || p.credentials == "" && len(p.asked) != 1 {
					t.Errorf("%d connections (want %d), authorizations %q", p.conns, test.conns, p.asked)
				}
			})
		}
	}
}

// answers is a proxy that answers every request alike, and then closes.
func answers(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

// blurts says the same to everything.
func blurts(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, text)
		silent(c)
	}
}

func endless(begin, unit string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, begin)
		for {
			if _, err := io.WriteString(c, unit); err != nil {
				return
			}
		}
	}
}

// TestRefusals: what a proxy that is at fault does, and how it is told.
func TestRefusals(t *testing.T) {
	open, wantsPassword := Proxies{}, &httpProxy{credentials: "u:p"}
	const with, without = "http://u:hunter2@", "http://"
	for name, test := range map[string]struct {
		serve func(net.Conn)
		proxy string
		id    cause.ID
		want  []string
	}{
		"407, no credentials":    {wantsPassword.serve, without, cause.ProxyAuthRequired, []string{`407 Proxy Authentication Required (it offers \"Basic\"): \"zzz`, "--proxy-credentials"}},
		"407, wrong credentials": {wantsPassword.serve, with, cause.ProxyAuthRequired, []string{"does not accept the user and password in the proxy's URL", "Check the user"}},
		"407, only Kerberos": {answers("HTTP/1.1 407 x\r\nProxy-Authenticate: Kerberos, Digest realm=\"x\"\r\n\r\n"), with, cause.ProxyAuthRequired,
			[]string{`none of the schemes that it offers can be used`, `\"Kerberos, Digest\"`}},
		"wrong credentials, as tinyproxy": {func(c net.Conn) {
			r := bufio.NewReader(c)
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.0 401 x\r\n\r\n")
		}, with, cause.ProxyAuthRequired, []string{"does not accept the user and password in the proxy's URL: 401 Unauthorized"}},
		"407, no scheme":    {answers("HTTP/1.1 407 x\r\n\r\n"), with, cause.ProxyAuthRequired, []string{"it offers no scheme"}},
		"403":               {answers("HTTP/1.1 403 x\r\nContent-Length: 18\r\n\r\n<b>policy\x1b</b> 17\n"), with, cause.ProxyDenied, []string{`403 Forbidden: \"policy 17\"`}},
		"405":               {answers("HTTP/1.1 405 x\r\n\r\n"), with, cause.ProxyDenied, []string{"405 Method Not Allowed"}},
		"400":               {answers("HTTP/1.1 400 x\r\n\r\n"), with, cause.NotAProxy, []string{"400 Bad Request"}},
		"302":               {answers("HTTP/1.1 302 x\r\n\r\n"), with, cause.NotAProxy, []string{"302 Found"}},
		"502":               {answers("HTTP/1.0 502 x\r\n\r\n"), with, cause.ProxyFailed, []string{"502 Bad Gateway"}},
		"503":               {answers("HTTP/1.0 503 x\r\n\r\n"), with, cause.ProxyFailed, []string{"503 Service Unavailable"}},
		"599":               {answers("HTTP/1.0 599 x\r\n\r\n"), with, cause.ProxyFailed, []string{": 599"}},
		"endless head":      {endless("HTTP/1.1 200 x\r\n", "X: "+strings.Repeat("z", 1000)+"\r\n"), with, cause.NotAProxy, []string{"head of its response is over 16384 bytes long"}},
		"endless interim":   {endless("", "HTTP/1.1 102 x\r\n\r\n"), with, cause.NotAProxy, []string{"more than 4 interim responses"}},
		"endless body":      {endless("HTTP/1.1 403 x\r\n\r\n", strings.Repeat("z", 1000)), with, cause.ProxyDenied, []string{"403 Forbidden"}},
		"silent":            {silent, with, cause.Timeout, []string{"no response to CONNECT", "timeout", "firewalls"}},
		"another protocol":  {answers("SSH-2.0-x\x1b\r\n"), with, cause.NotAProxy, []string{"not HTTP", "SSH-2.0-x"}},
		"closes":            {func(net.Conn) {}, with, cause.ConnectionLost, []string{"without a response to CONNECT", "Check the scheme"}},
		"https to http":     {blurts("HTTP/1.1 400 x\r\n\r\n"), "https://u:hunter2@", cause.NotTLS, []string{"TLS with the proxy https://127.0.0.1", "http://, even for HTTPS_PROXY"}},
		"http to https":     {blurts("\x15\x03\x01\x00\x02\x02\x28"), with, cause.NotAProxy, []string{"not HTTP"}},
		"unknown CA":        {overTLS(silent), "https://u:hunter2@", cause.CertificateUnknown, []string{"unknown authority", "--proxy-ca"}},
		"https to patience": {silent, "https://u:hunter2@", cause.NotAProxy, []string{"no answer in time to a TLS handshake", "Check the scheme of the proxy's URL first"}},
		"no versions in common": {func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{identity()}}).Handshake()
		}, "https://u:hunter2@", cause.TLSRefused, []string{"protocol version"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, test.serve)
			_, err := reach(t, open, test.proxy+address, "b.example:4222", 3*time.Second)
			prefix, _, _ := strings.Cut(test.proxy, "u:")
			wantFailure(t, err, cause.Proxy, test.id, append(test.want, "the proxy "+prefix+address)...)
		})
	}
}

// TestClosedHere: a connection that this end has closed, since its patience was over, is
// not told as one that was lost.
func TestClosedHere(t *testing.T) {
	address := listen(t, silent)
	for scheme, id := range map[string]cause.ID{"http": cause.Timeout, "https": cause.NotAProxy, "socks5h": cause.NotAProxy} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := (&Proxies{}).Connect(ctx, &url.URL{Scheme: scheme, Host: address}, "b.example:4222", func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			return conn, err
		})
		cancel()
		wantFailure(t, err, cause.Proxy, id, "no answer in time")
		if err != nil && strings.Contains(err.Error(), "closed network connection") {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// TestProxyNotReached: the proxy itself is not there, or is another one.
func TestProxyNotReached(t *testing.T) {
	_, err := reach(t, Proxies{}, "http://u:hunter2@127.0.0.1:1", "b.example:4222")
	wantFailure(t, err, cause.Proxy, cause.Refused, "connect to the proxy http://127.0.0.1:1", "connection refused")
	_, err = reach(t, Proxies{}, "socks5h://u:hunter2@127.0.0.1:1", "b.example:4222")
	wantFailure(t, err, cause.Proxy, cause.Refused, "connect to the proxy socks5h://127.0.0.1:1", "connection refused")
	_, err = reach(t, Proxies{}, "http://u:hunter2@no-such-host.invalid", "b.example:4222")
	wantFailure(t, err, cause.Proxy, cause.UnknownHost, "connect to the proxy http://no-such-host.invalid", "no such host", "proxy's URL")

	_, port, _ := net.SplitHostPort(listen(t, overTLS(silent)))
	_, err = reach(t, Proxies{CAFile: caFile(t)}, "https://u:hunter2@localhost:"+port, "b.example:4222")
	wantFailure(t, err, cause.Proxy, cause.CertificateName, "not localhost", "one of the names")
	for path, want := range map[string]string{"/no/such/file": "no such file", file(t, "x"): "no certificate", file(t, strings.Repeat("x", 2<<20)): "over 1048576 bytes"} {
		_, err = reach(t, Proxies{CAFile: path}, "https://u:hunter2@localhost:"+port, "b.example:4222")
		wantFailure(t, err, cause.Proxy, cause.ProxyConfig, "read the CA certificates for the proxy from "+path, want)
	}
}
