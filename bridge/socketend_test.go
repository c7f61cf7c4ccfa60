package bridge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A WebSocket whose caller loses its token ends with a close frame that says why,
// behind whole messages. Within one it breaks, as everything else that is upgraded.
func TestWebSocketSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	message, policy := []byte{0x81, 0x02, 'h', 'i'}, append([]byte{0x88, 2 + 26, 0x03, 0xf0}, "the credential was revoked"...)
	for _, tt := range []struct {
		name, protocol, target string
		sent, want             []byte // want nil: it breaks
	}{
		{"watch", "websocket", "/api/v1/pods?watch=1", message, policy},
		{"proxy", "WebSocket", "/api/v1/namespaces/shop/services/web/proxy/", message, policy},
		{"silent", "websocket", "/api/v1/pods?watch=1", nil, policy},
		{"within a frame", "websocket", "/api/v1/pods?watch=1", message[:3], nil},
		{"within a message", "websocket", "/api/v1/pods?watch=1", []byte{0x01, 0x02, 'h', 'i'}, nil},
		{"spdy", "SPDY/3.1", "/api/v1/namespaces/shop/pods/web-0/exec", message, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newWatchRig(t)
			h.agent("acme", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(append(switchTo(tt.protocol), tt.sent...))
				_ = s.Flush()
				<-s.Context().Done()
			})
			head := strings.NewReplacer("/prod/exec?command=sh", "/prod.acme"+tt.target, "SPDY/3.1", tt.protocol, "$TOKEN", h.token).Replace(upgradeHead)
			c, br := h.raw(head)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v", res, err)
			}
			if _, err := io.ReadFull(br, make([]byte, len(tt.sent))); err != nil {
				t.Fatal(err)
			}
			h.writeTokens()
			rest, err := io.ReadAll(br)
			_ = c.Close()
			if !bytes.Equal(rest, tt.want) || (err == nil) != (tt.want != nil) {
				t.Errorf("got %q, %v, want %q", rest, err, tt.want)
			}
		})
	}
}

// execRig is a rig with a token of its own, whose cluster prod executes a command by the
// implementations of Kubernetes itself. It writes "hi" and waits for the end of its input.
type execRig struct {
	*watchRig
	execute handler
}

func newExecRig(t *testing.T) *execRig {
	t.Helper()
	server := httptest.NewServer(apiServer(t, func(p pod) {
		_, _ = io.WriteString(p.stdout, "hi")
		_, _ = io.Copy(io.Discard, p.stdin)
	}))
	t.Cleanup(server.Close)
	return &execRig{watchRig: newWatchRig(t), execute: dialer(server.Listener.Addr().String())}
}

// exec begins an exec as kubectl does, and returns its output and how it ended.
func (r *execRig) exec(t *testing.T, protocol string) (*lockedBuffer, chan error) {
	t.Helper()
	cfg := r.config("", "http/1.1")
	target := cfg.Host + ".acme/api/v1/namespaces/shop/pods/web-0/exec?stdin=true&stdout=true"
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var e remotecommand.Executor
	if protocol == "spdy" {
		e, err = remotecommand.NewSPDYExecutor(cfg, "POST", u)
	} else {
		e, err = remotecommand.NewWebSocketExecutorForProtocols(cfg, "GET", target, protocol)
	}
	if err != nil {
		t.Fatal(err)
	}
	stdin, typed := io.Pipe()
	out, ended := &lockedBuffer{}, make(chan error, 1)
	go func() {
		defer typed.Close()
		ended <- e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: stdin, Stdout: out})
	}()
	return out, ended
}

// kubectl exec shows why the bridge ended it: client-go reads the Status in the error
// channel, over WebSocket and over SPDY.
func TestExecSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"v5.channel.k8s.io", "v4.channel.k8s.io", "spdy"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newExecRig(t)
			r.agent("acme", "prod", r.execute)
			out, ended := r.exec(t, protocol)
			r.eventually("the output comes", func() bool { return out.String() == "hi" })
			r.writeTokens()
			if err := within(t, "the exec ends", 5*time.Second, ended); err == nil || err.Error() != "the credential was revoked" {
				t.Errorf("the exec ended with %v", err)
			}
		})
	}
}

// stalledAfter is how long a write must take until its reader counts as stalled.
const stalledAfter = time.Second

// TestDrainDoesNotWaitForWatchesThatAreNotRead: a watch that is told to end does not
// hold up a drain because its client reads nothing.
func TestDrainDoesNotWaitForWatchesThatAreNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	full := make(chan struct{}, 100)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		first := encodeHead(200, -1, "Content-Type", "application/json")
		if head.Header.Get("Upgrade") != "" {
			first = switchTo("websocket")
		}
		_, _ = s.Write(first)
		event := append([]byte{0x82, 126, 0x80, 0}, make([]byte, 32<<10)...)
		stalled := time.AfterFunc(stalledAfter, func() { full <- struct{}{} })
		defer stalled.Stop()
		for {
			if _, err := s.Write(event); err != nil {
				return
			}
			stalled.Reset(stalledAfter)
		}
	})
	for _, c := range []*http.Client{r.h1, r.h2} {
		res, err := c.Do(r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil))
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v, %v", res, err)
		}
		defer res.Body.Close()
	}
	_, br := r.raw(strings.NewReplacer("exec?command=sh", "api/v1/pods?watch=1", "SPDY/3.1", "websocket").Replace(upgradeHead))
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	for range 3 {
		within(t, "a watch stands still", 20*time.Second, full)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	if err := within(t, "Drain returns", 10*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}
