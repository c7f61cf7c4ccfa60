package dial

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

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

// via is a dialer that uses one proxy, whose certificate is that of identity.
func via(t *testing.T, address string) func(*Dialer) {
	t.Helper()
	cert, _ := identity()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(ca, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(d *Dialer) {
		d.Proxy = &proxy.Proxies{For: func(*url.URL) (*url.URL, error) { return url.Parse(address) }, CAFile: ca}
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
					address := scheme + "://" + raw(t, serve)
					if f.credentials != "" {
						address = strings.Replace(address, "://", "://u:p%20w@", 1)
					}
					nc, err := connect(t, server, via(t, address))
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
