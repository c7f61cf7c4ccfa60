package bridge

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestStalledUploadsDelayNobody: an API server that takes nothing of an upload
// fills the window of its stream, not that of the HTTP/2 connection, which
// callers behind one front proxy share.
func TestStalledUploadsDelayNobody(t *testing.T) {
	t.Parallel()
	const stalled = 20
	r := newRig(t, rigOptions{})
	arrived, over := make(chan struct{}, stalled), make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target != "/sink" {
			echoBody(head, s)
			return
		}
		arrived <- struct{}{}
		<-over // nothing of the body is read
		reply(s, 200, "")
	})
	var uploads sync.WaitGroup
	defer func() {
		close(over)
		uploads.Wait()
	}()
	for range stalled {
		body := &standing{end: over}
		uploads.Go(func() {
			res, err := r.h2.Do(r.request("POST", "/k8s/clusters/prod/sink", body))
			if err == nil {
				_ = res.Body.Close()
			}
		})
		within(t, "an upload arrives", 10*time.Second, arrived)
		// It has filled what the path takes once the client is not asked for more.
		r.eventually("the upload stands still", body.still())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	before := time.Now()
	res, body := r.do(r.h2, r.request("POST", "/k8s/clusters/prod/echo", strings.NewReader(strings.Repeat("x", 200))).WithContext(ctx))
	if res.StatusCode != 200 || len(body) != 200 {
		t.Errorf("a small POST beside %d stalled uploads: %d with %d bytes", stalled, res.StatusCode, len(body))
	}
	t.Logf("a small POST beside %d stalled uploads took %v", stalled, time.Since(before))
}

// standing is a body that goes on until end is closed.
type standing struct {
	end <-chan struct{}
	mu  sync.Mutex
	n   int64
}

func (e *standing) Read(p []byte) (int, error) {
	select {
	case <-e.end:
		return 0, io.EOF
	default:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n += int64(len(p))
	return len(p), nil
}

func (e *standing) read() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

// still returns a condition: nothing was read for 200 ms.
func (e *standing) still() func() bool {
	last, since := int64(0), time.Now()
	return func() bool {
		if n := e.read(); n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 200*time.Millisecond
	}
}

// TestHTTP2CanBeSwitchedOff: ALPN then offers HTTP/1.1 alone, and upgrades work
// for a proxy in front that leaves the choice to ALPN.
func TestHTTP2CanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		r := newRig(t, rigOptions{config: func(c *Config) { c.DisableHTTP2 = off }})
		conn, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1", NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		want := "h2"
		if off {
			want = "http/1.1"
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("HTTP/2 off %v: ALPN chose %q, want %q", off, got, want)
		}
		r.agent("default", "prod", hello)
		if res, _ := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil)); res.StatusCode != http.StatusOK || res.ProtoMajor != 1 {
			t.Errorf("HTTP/2 off %v: HTTP/1.1 got %d %s", off, res.StatusCode, res.Proto)
		}
	}
}

// TestIdleTimeout: the default is above 620 s, which Google Cloud's load balancers
// require.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	if got := r.server.http.IdleTimeout; got <= 620*time.Second {
		t.Errorf("idle connections are closed after %v; a load balancer may keep them for 620 s", got)
	}
	for _, d := range []time.Duration{time.Second, -time.Second} {
		s, err := New(Config{Tenants: r.pool, Authenticator: r.server.cfg.Authenticator, IdleTimeout: d})
		if (err == nil) != (d > 0) || err == nil && s.http.IdleTimeout != d {
			t.Errorf("idle time-out %v: %v", d, err)
		}
	}
}

func TestHTTPServerHasBounds(t *testing.T) {
	t.Parallel()
	s := newRig(t, rigOptions{}).server.http
	if s.ReadHeaderTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.WriteTimeout != 0 || s.ReadTimeout != 0 {
		t.Errorf("bounds %+v: headers and idle connections have some, exchanges none", s)
	}
}
