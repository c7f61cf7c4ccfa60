package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// localPort matches the line in which kubectl prints its address.
var localPort = regexp.MustCompile(`(?:Forwarding from|Starting to serve on) (127\.0\.0\.1:\d+)`)

// listening waits until a kubectl listens, and returns where.
func (r *running) listening() string {
	r.sp.t.Helper()
	r.expect("127.0.0.1:")
	r.expect("\n")
	m := localPort.FindStringSubmatch(r.stdout.String())
	if m == nil {
		r.sp.t.Fatalf("kubectl %s: printed no address: %s", strings.Join(r.args, " "), r.stdout)
	}
	return m[1]
}

// TestPortForward carries TCP connections, many at once, each closed by one
// end before the other.
func TestPortForward(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("server", `mkdir /srv; head -c 5000000 /dev/urandom >/srv/file; cd /srv; sha256sum file | cut -d" " -f1 >sum;
		nc -ll -p 9000 -e cat & exec httpd -f -p 8080 -h /srv`, "test -s /srv/sum")
	sp.overEach(func(sp *space, p protocol) {
		web := sp.start(sp.on(sp.tunnel, "port-forward", "pod/server", ":8080").with(p.env...)).listening()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
		want := strings.TrimSpace(string(fetch(sp.t, client, "http://"+web+"/sum")))
		err := each(24, 8, func(i int) error {
			resp, err := client.Get("http://" + web + "/file")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			got, n, err := digest(resp.Body)
			if err == nil && got != want {
				err = fmt.Errorf("connection %d: %d bytes with digest %s, want %s", i, n, got, want)
			}
			return err
		})
		if err != nil {
			sp.t.Error(err)
		}

		// Half-close: what was sent before the FIN comes back after it.
		address := sp.start(sp.on(sp.tunnel, "port-forward", "pod/server", ":9000").with(p.env...)).listening()
		got, n, err := echo(address, source(3, 300_000))
		if err != nil || n != 300_000 || got != sourceDigest(3, 300_000) {
			sp.t.Errorf("the echo has %d bytes (%v), want the 300,000 that were sent", n, err)
		}

		// Nothing listens: the connection fails, and kubectl says why.
		closed := sp.start(sp.on(sp.tunnel, "port-forward", "pod/server", ":1").with(p.env...))
		if _, err := client.Get("http://" + closed.listening() + "/"); err == nil {
			sp.t.Error("a port that nobody listens on gave an answer")
		}
		if !closed.stderr.wait("refused", time.Minute, closed.done) {
			sp.t.Errorf("kubectl does not say that the connection was refused: %s", closed.stderr)
		}
	})
}

// echo sends all of from to a TCP echo, half-closes, and returns the digest of
// the bytes that came back until the other end closed too.
func echo(address string, from io.Reader) (sum string, n int64, err error) {
	return echoOf(address, from, 0)
}

// echoOf is echo, but half-closes only once size bytes are back. containerd gives the other
// direction of a forwarded connection one second after the first has ended
// (sandbox_portforward_linux.go), and a large rest can take longer on a busy machine, with
// or without a tunnel.
func echoOf(address string, from io.Reader, size int64) (sum string, n int64, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callWithin)); err != nil {
		return "", 0, err
	}
	back, sent := make(chan struct{}), make(chan error, 1)
	go func() { // ends with the connection
		_, err := io.Copy(conn, from)
		<-back
		sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	first := sync.OnceFunc(func() { close(back) })
	defer first()
	sum, n, err = digest(&counted{conn, size, first})
	first()
	return sum, n, errors.Join(err, <-sent)
}

// counted calls done when so many bytes have been read, or nothing more can be.
type counted struct {
	io.Reader
	left int64
	done func()
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.done()
	}
	n, err := c.Reader.Read(p)
	if c.left -= int64(n); c.left <= 0 || err != nil {
		c.done()
	}
	return n, err
}

func fetch(t *testing.T, client *http.Client, url string) []byte {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %s: %s", url, resp.Status, clip(string(body)))
	}
	return body
}

// TestKubectlProxy puts kubectl's own proxy in front of the tunnel.
func TestKubectlProxy(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.configMap("one", map[string]string{"a": "b"})
	address := sp.start(sp.on(sp.tunnel, "proxy", "--port=0", "--append-server-path")).listening()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for _, path := range []string{"/version", sp.path("/configmaps/one"), "/openapi/v3"} {
		got := fetch(t, client, "http://"+address+path)
		want := fetch(t, sp.direct.client, sp.direct.server+path)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %s\nwant %s", path, clip(string(got)), clip(string(want)))
		}
	}
}
