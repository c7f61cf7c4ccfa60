package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/reconnect"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// cutNetwork is the path of a client to the bridge, which can be cut.
type cutNetwork struct {
	l     net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
	made  int
	down  bool
	to    string // the bridge's address
}

// network starts one.
func (r *rig) network() *cutNetwork {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	n := &cutNetwork{l: l, conns: map[net.Conn]bool{}, to: r.addr}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { n.carry(c) })
		}
	})
	r.t.Cleanup(func() {
		_ = l.Close()
		n.set(true)
		all.Wait()
	})
	return n
}

func (n *cutNetwork) carry(c net.Conn) {
	defer c.Close()
	n.mu.Lock()
	to := n.to
	n.mu.Unlock()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	if !n.add(c, up) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(up, c); _ = up.Close(); _ = c.Close() })
	both.Go(func() { _, _ = io.Copy(c, up); _ = up.Close(); _ = c.Close() })
	both.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
	delete(n.conns, up)
}

func (n *cutNetwork) add(conns ...net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return false
	}
	for _, c := range conns {
		n.conns[c] = true
	}
	n.made++
	return true
}

// set takes the network down, with resets of all connections, or up.
func (n *cutNetwork) set(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	for c := range n.conns {
		if down {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}
}

// lead leads new connections to another bridge.
func (n *cutNetwork) lead(to *rig) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = to.addr
}

func (n *cutNetwork) cut() {
	n.set(true)
	n.set(false)
}

// dialer dials through n, or straight, as whoever has the token.
func (r *rig) dialer(n *cutNetwork, token, cluster string) *reconnect.Dialer {
	bridge := r.url
	if n != nil {
		bridge = strings.Replace(r.url, r.addr, n.l.Addr().String(), 1)
	}
	c, err := client.New(bridge, client.Options{Token: client.Token(token), TLS: client.TLS{CA: r.ca}})
	if err != nil {
		r.t.Fatal(err)
	}
	return &reconnect.Dialer{Client: c, Cluster: cluster}
}

// upperEcho is an upgraded session that answers each byte.
func upperEcho(asked *atomic.Int64) handler {
	return func(_ *subjects.RequestHead, s *stream.Stream) {
		asked.Add(1)
		_, _ = s.Write(switchTo("SPDY/3.1"))
		b := make([]byte, 8<<10)
		for {
			n, err := s.Read(b)
			if _, w := s.Write(bytes.ToUpper(b[:n])); w != nil {
				return
			}
			if err != nil {
				_ = s.CloseWrite()
				return
			}
		}
	}
}

// switched makes an upgraded request within a connection.
func switched(t *testing.T, d *reconnect.Dialer, target string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	req, _ := http.NewRequest("GET", d.URL()+target, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "SPDY/3.1")
	if err := req.Write(c); err != nil {
		t.Fatal(err)
	}
	head := readThrough(t, c)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("got %q", head)
	}
	return c
}

// readThrough reads a response's head, and not a byte more.
func readThrough(t *testing.T, c net.Conn) string {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatalf("after %q: %v", head, err)
		}
	}
	return string(head)
}

// TestASessionOutlivesTheNetwork: an upgraded session is whole though the client's network
// is cut again and again, and the cluster sees one request.
func TestASessionOutlivesTheNetwork(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var asked atomic.Int64
	r.agent("default", "prod", upperEcho(&asked))
	n := r.network()
	d := r.dialer(n, r.token, "prod")
	var lost, back atomic.Int64
	d.Lost = func(error) { lost.Add(1) }
	d.Back = func(time.Duration) { back.Add(1) }
	c := switched(t, d, "/api/v1/namespaces/default/pods/web/exec?command=sh")
	const size = 8 << 20 // of which the window may be at the client before a cut
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = 'a' + byte(i*7%26)
	}
	go func() {
		for rest := sent; len(rest) > 0; {
			k, err := c.Write(rest[:min(len(rest), 50_000)])
			if err != nil {
				return
			}
			rest = rest[k:]
		}
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got := make([]byte, 0, size)
	for b := make([]byte, 64<<10); ; {
		k, err := c.Read(b)
		if before := len(got); (before+k)>>18 > before>>18 { // each 256 KiB
			n.cut()
		}
		got = append(got, b[:k]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
	}
	if !bytes.Equal(got, bytes.ToUpper(sent)) {
		t.Errorf("the session's %d bytes are not those that were sent", len(got))
	}
	if asked.Load() != 1 {
		t.Errorf("the cluster saw %d requests", asked.Load())
	}
	if lost.Load() < 5 || back.Load() < lost.Load()-1 {
		t.Errorf("the network was lost %d times, and came back %d times", lost.Load(), back.Load())
	}
	_ = c.Close()
	r.eventually("the bridge has forgotten the connection", func() bool { return r.server.connections.Count() == 0 })
}

// TestALogOutlivesTheNetwork: ordinary responses go on as well, and so does a connection
// that serves one request after another.
func TestALogOutlivesTheNetwork(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	next := make(chan string)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if !strings.Contains(head.Target, "follow") {
			hello(head, s)
			return
		}
		_, _ = s.Write(encodeHead(200, -1, "Content-Type", "text/plain"))
		for line := range next {
			_, _ = s.Write([]byte(line))
			_ = s.Flush()
		}
		_ = s.CloseWrite()
	})
	n := r.network()
	d := r.dialer(n, r.token, "prod")
	h := &http.Client{Transport: &http.Transport{DialContext: d.DialContext, MaxConnsPerHost: 1}}
	defer h.CloseIdleConnections()
	for _, target := range []string{"/version", "/version", "/api/v1/namespaces/default/pods/web/log?follow=true", "/version"} {
		res, err := h.Get(d.URL() + target)
		if err != nil {
			t.Fatal(err)
		}
		n.cut()
		if strings.Contains(target, "follow") {
			b := make([]byte, 6)
			for _, line := range []string{"line1\n", "line2\n", "line3\n"} {
				next <- line
				if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != line {
					t.Fatalf("%q, %v", b, err)
				}
				n.cut()
			}
			close(next)
		}
		rest, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 200 || !strings.Contains(target, "follow") && string(rest) != "hello" {
			t.Errorf("%s: %d %q, %v", target, res.StatusCode, rest, err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made < 5 {
		t.Errorf("there were only %d connections of TCP", n.made)
	}
}

// TestConnectionsAreTheirCallers: nobody else can attach to one, or learn that it is there,
// and what is in it cannot speak for another.
func TestConnectionsAreTheirCallers(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var got atomic.Pointer[subjects.RequestHead]
	for _, cluster := range []string{"prod", "other"} {
		r.agent("acme", cluster, func(head *subjects.RequestHead, s *stream.Stream) {
			got.Store(head)
			hello(head, s)
		})
	}
	id := rand.Text()
	attach := func(cluster, id, token, query string, header ...string) (*http.Response, string) {
		req := r.request("GET", "/v1/clusters/"+cluster+"/connections/"+id+query, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		req.Header.Set("Sec-WebSocket-Version", "13")
		req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		req.Header.Set("Sec-WebSocket-Protocol", resume.Subprotocol)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := r.h1.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode == http.StatusSwitchingProtocols {
			return res, ""
		}
		b, _ := io.ReadAll(res.Body)
		return res, string(b)
	}
	if res, b := attach("prod.acme", id, r.acme, "?new=true"); res.StatusCode != 101 || res.Header.Get(resume.ReceivedHeader) != "0" {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	for name, c := range map[string]struct {
		cluster, id, token, query string
		header                    []string
		status                    int
		code                      string
	}{
		"another caller":         {"prod.acme", id, r.token, "", nil, 404, "unknown-connection"},
		"another caller, new":    {"prod.acme", id, r.token, "?new=true", nil, 404, "unknown-connection"},
		"another cluster":        {"other.acme", id, r.acme, "", nil, 404, "unknown-connection"},
		"no such":                {"prod.acme", rand.Text(), r.acme, "", nil, 404, "unknown-connection"},
		"an invisible cluster":   {"prod.lab", id, r.acme, "?new=true", nil, 403, "forbidden"},
		"no token":               {"prod.acme", id, "x", "", nil, 401, "unauthenticated"},
		"a short id":             {"prod.acme", "abc", r.acme, "?new=true", nil, 400, "bad-request"},
		"a strange id":           {"prod.acme", strings.Repeat("%2e", 30), r.acme, "?new=true", nil, 400, "bad-request"},
		"an unknown parameter":   {"prod.acme", id, r.acme, "?resume=1", nil, 400, "bad-request"},
		"a bad number":           {"prod.acme", id, r.acme, "?received=-1", nil, 400, "bad-request"},
		"no WebSocket":           {"prod.acme", id, r.acme, "", []string{"Upgrade", "SPDY/3.1"}, 400, "upgrade-missing"},
		"a strange subprotocol":  {"prod.acme", id, r.acme, "", []string{"Sec-WebSocket-Protocol", "chat"}, 400, "bad-request"},
		"a page of another site": {"prod.acme", id, r.acme, "", []string{"Origin", "https://evil.example"}, 403, "forbidden"},
	} {
		if res, b := attach(c.cluster, c.id, c.token, c.query, c.header...); res.StatusCode != c.status || res.Header.Get("Fairlead-Error") != c.code {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
	}

	d := r.dialer(nil, r.acme, "prod.acme")
	within := func(target string, header ...string) (int, string) {
		t.Helper()
		c, err := d.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		req, _ := http.NewRequest("GET", "http://x"+target, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		req.Header.Set("Connection", "close")
		if err := req.Write(c); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		_, status, _ := strings.Cut(string(all), " ")
		_, body, _ := strings.Cut(string(all), "\r\n\r\n")
		code := 0
		for _, digit := range status[:3] {
			code = code*10 + int(digit-'0')
		}
		return code, body
	}
	// The admin's token within a connection of acme's makes nobody the admin.
	if status, b := within("/k8s/clusters/prod.acme/api", "Authorization", "Bearer "+r.token, "X-Forwarded-For", "9.9.9.9", "Cookie", "a=b", "Accept", "text/x"); status != 200 || b != "hello" {
		t.Errorf("%d %s", status, b)
	}
	head := got.Load().Header
	if head.Get("Accept") != "text/x" || head.Get("Cookie") != "" || strings.Contains(head.Get("X-Forwarded-For"), "9.9.9.9") {
		t.Errorf("the cluster got %v", head)
	}
	for _, target := range []string{"/k8s/clusters/other.acme/api", "/k8s/clusters/prod.acmeX/api", "/v1/clusters", "/", "/k8s/clusters/prod.acme%2f..%2fother.acme/api"} {
		if status, b := within(target, "Authorization", "Bearer "+r.token); status != 404 || strings.Contains(b, "hello") {
			t.Errorf("%s: %d %s", target, status, b)
		}
	}
}

// TestConnectionsEndWithTheBridge: at a drain the rest of a response arrives, nothing new
// begins, and a client learns why.
func TestConnectionsEndWithTheBridge(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	begun, finish := make(chan struct{}), make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1), "begin "...))
		_ = s.Flush()
		close(begun)
		<-finish
		_ = s.WriteFinal([]byte("end"))
	})
	d := r.dialer(nil, r.token, "prod")
	h := &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
	defer h.CloseIdleConnections()
	res, err := h.Get(d.URL() + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-begun
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained <- r.server.Drain(ctx)
	}()
	r.eventually("the bridge drains", r.server.Draining)
	close(finish)
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "begin end" {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if _, err := d.DialContext(t.Context(), "tcp", ""); err == nil {
		t.Error("a connection to a bridge that is gone")
	}
}

// TestAConnectionOfARevokedCaller: it ends, and the client does not come back.
func TestAConnectionOfARevokedCaller(t *testing.T) {
	t.Parallel()
	h := newHoldRig(t)
	var asked atomic.Int64
	h.agent("acme", "prod", upperEcho(&asked))
	c := switched(t, h.dialer(nil, h.changed, "prod.acme"), "/exec")
	h.writeTokens(h.keeps)
	_, err := io.ReadAll(c)
	if !errors.Is(err, reconnect.ErrLost) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the session ended with %v", err)
	}
}
