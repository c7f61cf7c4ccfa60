package bridge

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
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

// kubectl exec over WebSocket shows why the bridge ended it: client-go reads the
// Status in the error channel.
func TestExecSaysWhyItEnds(t *testing.T) {
	for _, protocol := range []string{"v5.channel.k8s.io", "v4.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			h := newWatchRig(t)
			h.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(append(acceptWebSocket(head, protocol), 0x82, 0x03, 1, 'h', 'i'))
				_ = s.Flush()
				<-s.Context().Done()
			})
			cfg := h.config("", "http/1.1")
			exec, err := remotecommand.NewWebSocketExecutorForProtocols(cfg, "GET", h.url+"/k8s/clusters/prod.acme/api/v1/namespaces/shop/pods/web-0/exec", protocol)
			if err != nil {
				t.Fatal(err)
			}
			out, ended := &lockedBuffer{}, make(chan error, 1)
			go func() {
				ended <- exec.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: out, Stderr: out})
			}()
			h.eventually("the output comes", func() bool { return out.String() == "hi" })
			h.writeTokens()
			if err := within(t, "the exec ends", 5*time.Second, ended); err == nil || err.Error() != "the credential was revoked" {
				t.Errorf("the exec ended with %v", err)
			}
		})
	}
}

// acceptWebSocket is the head of a 101 as RFC 6455 section 4.2.2 has it.
func acceptWebSocket(head *subjects.RequestHead, protocol string) []byte {
	sum := sha1.Sum([]byte(head.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return switchTo("websocket", "Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]), "Sec-Websocket-Protocol", protocol)
}

// stalledAfter is how long a write must take until its reader counts as stalled.
const stalledAfter = time.Second

// TestDrainDoesNotWaitForWatchesThatAreNotRead: a watch that is told to end does not
// hold up a drain because its client reads nothing.
func TestDrainDoesNotWaitForWatchesThatAreNotRead(t *testing.T) {
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
