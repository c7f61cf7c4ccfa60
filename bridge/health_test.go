package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestHealthOnTheServingPort: a load balancer asks without a token, and learns
// nothing but whether the bridge takes requests.
func TestHealthOnTheServingPort(t *testing.T) {
	t.Parallel()
	var fault atomic.Pointer[error]
	r := newRig(t, rigOptions{publicURL: "https://git.example.com/-/fairlead", config: func(c *Config) {
		c.Ready = func(context.Context) error {
			if err := fault.Load(); err != nil {
				return *err
			}
			return nil
		}
	}})
	ask := func(path string, want int, body string) {
		t.Helper()
		req := r.request("GET", path, nil)
		req.Header.Del("Authorization")
		res, got := r.do(r.h1, req)
		if res.StatusCode != want || got != body || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s: %d %q, want %d %q", path, res.StatusCode, got, want, body)
		}
	}
	for _, base := range []string{"", "/-/fairlead"} {
		ask(base+"/livez", http.StatusOK, "ok\n")
		ask(base+"/readyz", http.StatusOK, "ok\n")
	}
	err := errors.New("the broker refuses tenant secret")
	fault.Store(&err)
	ask("/livez", http.StatusOK, "ok\n")
	ask("/readyz", http.StatusServiceUnavailable, "not ready\n")
	fault.Store(nil)
	ask("/readyz", http.StatusOK, "ok\n")
	if res, body := r.do(r.h2, r.request("HEAD", "/readyz", nil)); res.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d %q", res.StatusCode, body)
	}
	if res, _ := r.do(r.h2, r.request("POST", "/readyz", nil)); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
	r.server.draining.Store(true) // as Drain does first, while connections are still served
	ask("/readyz", http.StatusServiceUnavailable, "not ready\n")
	ask("/livez", http.StatusOK, "ok\n")
}

// TestResponsesOfUnknownLengthAreNotBuffered: by default nginx buffers the events of
// a watch, unless a header of the response forbids it. The cluster's own header of
// that name never reaches the caller.
func TestResponsesOfUnknownLengthAreNotBuffered(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target == "/known" {
			reply(s, 200, "known", "X-Accel-Buffering", "yes")
			return
		}
		_, _ = s.Write(append(encodeHead(200, -1, "X-Accel-Buffering", "yes"), "begun"...))
		_ = s.Flush()
		<-s.Context().Done()
	})
	for path, want := range map[string]string{"/known": "", "/watch": "no"} {
		ctx, cancel := context.WithCancel(t.Context())
		res, err := r.h2.Do(r.request("GET", "/k8s/clusters/prod"+path, nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("X-Accel-Buffering"); got != want {
			t.Errorf("%s: X-Accel-Buffering %q, want %q", path, got, want)
		}
		cancel()
		_ = res.Body.Close()
	}
}
