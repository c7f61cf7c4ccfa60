package dial

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// relay carries connections to a unix socket or, by CONNECT, wherever asked.
func relay(t *testing.T, socket string) string {
	return raw(t, func(c net.Conn) {
		out, err := net.Dial("unix", socket)
		if err != nil {
			return
		}
		carry(c, out, c)
	})
}

func carry(in net.Conn, out net.Conn, from io.Reader) {
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(out, from); _ = out.Close() })
	_, _ = io.Copy(in, out)
	_, _ = in.Close(), out.Close()
	wg.Wait()
}

// forward is a forward proxy: it takes example.com for 127.0.0.1, which is
// never reached by a proxy itself, and wants user and password if given.
type forward struct {
	credentials string // user:password, "" for none
	early       bool   // send the server's first bytes with the answer, in one piece

	mu    sync.Mutex
	asked []string
}

func (f *forward) targets() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

func (f *forward) serve(c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.asked = append(f.asked, req.Method+" "+req.Host)
	f.mu.Unlock()
	req.Header["Authorization"] = req.Header["Proxy-Authorization"]
	user, password, _ := req.BasicAuth()
	if f.credentials != "" && user+":"+password != f.credentials {
		_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\nwho?")
		return
	}
	_, port, _ := net.SplitHostPort(req.Host)
	out, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return
	}
	answer := []byte("HTTP/1.1 200 Connection established\r\n\r\n")
	if f.early {
		first := make([]byte, 4096)
		n, _ := out.Read(first)
		answer = append(answer, first[:n]...)
	}
	_, _ = c.Write(answer)
	carry(c, out, r)
}

func via(proxy string) func(*Dialer) {
	return func(d *Dialer) {
		d.Proxy = func(*url.URL) (*url.URL, error) { return url.Parse(proxy) }
		d.ProxyTLS = clientTLS()
	}
}

// TestThroughProxy: TCP and WebSocket, by http and https proxies, with and
// without a password.
func TestThroughProxy(t *testing.T) {
	b := startBroker(t)
	overTLS := func(serve func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) { serve(tls.Server(c, serverTLS())) }
	}
	wss := raw(t, overTLS(func(c net.Conn) {
		out, err := net.Dial("tcp", b.ws)
		if err != nil {
			return
		}
		carry(c, out, c)
	}))
	_, tcpPort, _ := net.SplitHostPort(b.tcp)
	_, wssPort, _ := net.SplitHostPort(wss)
	for _, server := range []string{"tls://example.com:" + tcpPort, "wss://example.com:" + wssPort + "/a/b"} {
		for name, f := range map[string]*forward{"open": {}, "password": {credentials: "u:p w"}, "early": {early: true}} {
			if f.early && strings.HasPrefix(server, "wss") {
				continue // a server of TLS waits to be spoken to
			}
			for _, scheme := range []string{"http", "https"} {
				t.Run(strings.Join([]string{server[:3], name, scheme}, " "), func(t *testing.T) {
					serve := f.serve
					if scheme == "https" {
						serve = overTLS(f.serve)
					}
					proxy := scheme + "://" + raw(t, serve)
					if f.credentials != "" {
						proxy = strings.Replace(proxy, "://", "://u:p%20w@", 1)
					}
					nc, err := connect(t, server, via(proxy))
					if err != nil {
						t.Fatal(err)
					}
					works(t, nc)
					u, _ := url.Parse(server)
					if asked := f.targets(); asked[len(asked)-1] != "CONNECT "+u.Host {
						t.Errorf("the proxy was asked for %q", asked)
					}
				})
			}
		}
	}
}

// TestProxyRefusals: a proxy that is at fault is named, its password never.
func TestProxyRefusals(t *testing.T) {
	answer := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, text)
			}
		}
	}
	for name, test := range map[string]struct {
		serve func(net.Conn)
		proxy string // "" for http://user:secret@
		want  []string
	}{
		"407 without credentials": {(&forward{credentials: "u:p"}).serve, "http://",
			[]string{"refused CONNECT: 407 Proxy Authentication Required", "no user and password", `"who?"`}},
		"407 with wrong ones": {(&forward{credentials: "u:p"}).serve, "", []string{"refused CONNECT: 407", "does not accept the user and password"}},
		"407 NTLM": {answer("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n"), "",
			[]string{"407 Proxy Authentication Required", `asks for "NTLM, Negotiate"`}},
		"403": {answer("HTTP/1.1 403 x\r\nContent-Length: 18\r\n\r\n<b>policy\x1b</b> 17\n"), "", []string{"refused CONNECT: 403 Forbidden", `: "policy 17"`}},
		"502": {answer("HTTP/1.0 502 x\r\n\r\n"), "", []string{"refused CONNECT: 502 Bad Gateway"}},
		"endless head": {func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 x\r\n")
			for {
				if _, err := io.WriteString(c, "X: "+strings.Repeat("z", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}, "", []string{"head is over 16384 bytes long"}},
		"silent":       {silent, "", []string{"response to CONNECT", "timeout"}},
		"no proxy":     {answer("SSH-2.0-x\r\n"), "", []string{"response to CONNECT: malformed HTTP"}},
		"closes":       {func(net.Conn) {}, "", []string{"response to CONNECT"}},
		"http for tls": {answer("HTTP/1.1 400 x\r\n\r\n"), "https://user:secret@", []string{"TLS: "}},
		"wrong CA": {func(c net.Conn) { _ = tls.Server(c, serverTLS()).Handshake() }, "https://user:secret@wrong-name ",
			[]string{"TLS: ", "not wrong-name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := raw(t, test.serve)
			prefix, wrong, _ := strings.Cut(test.proxy, "@")
			if prefix == "" {
				prefix = "http://user:secret"
			}
			if strings.Contains(prefix, "user") {
				prefix += "@"
			}
			_, err := connect(t, "tls://example.com:4222", func(d *Dialer) {
				via(prefix + address)(d)
				d.Timeout = 2 * time.Second
				if wrong != "" {
					d.ProxyTLS.ServerName = strings.TrimSpace(wrong)
				}
			})
			scheme, _, _ := strings.Cut(prefix, ":")
			wantFailure(t, err, append(test.want, fmt.Sprintf("proxy %s://%s", scheme, address))...)
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user:") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
	_, err := connect(t, "tls://example.com:4222", via("http://user:secret@127.0.0.1:1"))
	wantFailure(t, err, "proxy http://127.0.0.1:1: ", "connection refused")
	_, err = connect(t, "tls://example.com:4222", via("http://user:secret@no-such-host.invalid:1"))
	wantFailure(t, err, "proxy http://no-such-host.invalid:1: ", "no such host")
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		t.Error("the proxy's name is taken for the broker's")
	}
}

// TestAbort: aborting does not wait for a server that sends nothing.
func TestAbort(t *testing.T) {
	reached := make(chan struct{}, 1)
	address := raw(t, func(c net.Conn) { reached <- struct{}{}; silent(c) })
	for _, server := range []string{"tls://" + address, "wss://" + address} {
		began := time.Now()
		_, err := connect(t, server, func(d *Dialer) {
			go func() { <-reached; d.Abort() }()
		})
		if err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %s", server, err, time.Since(began))
		}
	}
}

// TestAbortWhileDialing: aborting does not wait for a server that does not accept
// the connection.
func TestAbortWhileDialing(t *testing.T) {
	address := full(t)
	d := &Dialer{Server: &url.URL{Scheme: "tls", Host: address}}
	done := make(chan error, 1)
	go func() { _, err := d.Dial("", ""); done <- err }()
	for began := false; !began; runtime.Gosched() { // or it would be refused before it dials
		d.mu.Lock()
		began = d.cancel != nil
		d.mu.Unlock()
	}
	d.Abort()
	select {
	case err := <-done:
		if err == nil {
			t.Error("connected")
		}
	case <-time.After(Timeout / 2):
		t.Errorf("still dialing %s after it was given up", Timeout/2)
		<-done
	}
}

// full is the address of a listener that accepts no connection and whose queue is
// full: connecting gets no response.
func full(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	for range 10 {
		c, err := net.DialTimeout("tcp", address, 500*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue is not full after 10 connections")
	return ""
}

func TestProxyFromEnvironment(t *testing.T) {
	clean := func() {
		for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
			t.Setenv(name, "")
			t.Setenv(strings.ToLower(name), "")
		}
	}
	for _, test := range []struct {
		env, server, want string
	}{
		{"", "tls://b.example:4222", ""},
		{"HTTPS_PROXY=http://p:3128", "tls://b.example:4222", "http://p:3128"},
		{"https_proxy=p:3128", "wss://b.example", "http://p:3128"},
		{"HTTPS_PROXY=https://u:x@p", "wss://b.example", "https://u:x@p"},
		{"HTTP_PROXY=http://p:3128", "wss://b.example", ""},
		{"HTTP_PROXY=socks5://p:3128", "wss://b.example", ""},                              // never asked, so no reason to stop
		{"HTTPS_PROXY=http://p:1 https_proxy=http://q:1", "wss://b.example", "http://q:1"}, // as curl
		{"HTTPS_PROXY=http://p:3128", "wss://[2001:db8::1]/x", "http://p:3128"},
		{"HTTPS_PROXY=http://p:3128 NO_PROXY=2001:db8::/32", "wss://[2001:db8::1]/x", ""},
		{"HTTPS_PROXY=http://p:3128 NO_PROXY=[2001:db8::1]:443", "wss://[2001:db8::1]/x", ""},
		{"HTTPS_PROXY=http://p:3128 NO_PROXY=.example", "wss://b.example", ""},
		{"HTTPS_PROXY=http://p:3128 no_proxy=b.example:443", "wss://b.example", ""},
		{"HTTPS_PROXY=http://p:3128 no_proxy=b.example:443", "tls://b.example", "http://p:3128"},
		{"HTTPS_PROXY=http://p:3128 NO_PROXY=10.0.0.0/8", "tls://10.1.2.3:4222", ""},
		{"HTTPS_PROXY=http://p:3128", "tls://127.0.0.1:4222", ""},
		{"HTTPS_PROXY=http://p:3128", "wss://localhost", ""},
	} {
		clean()
		for _, pair := range strings.Fields(test.env) {
			k, v, _ := strings.Cut(pair, "=")
			t.Setenv(k, v)
		}
		f, err := ProxyFromEnvironment()
		if err != nil {
			t.Errorf("%s: %v", test.env, err)
			continue
		}
		server, _ := url.Parse(test.server)
		got, err := f(server)
		text := ""
		if got != nil {
			text = got.String()
		}
		if err != nil || text != test.want {
			t.Errorf("%s, %s: got %q, %v, want %q", test.env, test.server, text, err, test.want)
		}
	}
	for value, want := range map[string]string{
		"socks5://u:secret@p": "only http and https", "http://u:secret@": "not the URL of a proxy",
		"http://u:secret@p:x": "not the URL", "http://u:secret@p:0": "port", "u:secret\x7f@p": "not the URL",
	} {
		clean()
		t.Setenv("https_proxy", value)
		if _, err := ProxyFromEnvironment(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %q", value, err, want)
		}
	}
}
