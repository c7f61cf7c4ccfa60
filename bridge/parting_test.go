package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// breakingAgent answers an upgrade with last, and then as when the API server
// resets its connection.
func breakingAgent(r *rig, last []byte) {
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(switchTo("SPDY/3.1"), last...))
		_ = s.Flush()
		s.Reset(subjects.CodeUpstream, "connection reset")
	})
}

// narrow keeps the client's system from taking more than a little ahead of the
// client, so that most of what it gets waits in the bridge's.
func narrow(t *testing.T, c net.Conn) {
	t.Helper()
	if tc, ok := c.(*tls.Conn); ok {
		c = tc.NetConn()
	}
	if err := c.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
}

// TestBytesBeforeABreakArrive: the bytes that the API server sent before its connection
// broke reach a client on a slow path. Then the client sees a break, not an end.
func TestBytesBeforeABreakArrive(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"tls": false, "plain": true} {
		if plain && runtime.GOOS != "linux" {
			continue // see unsent
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{plain: plain})
			last := bytes.Repeat([]byte("last words "), 256<<10/11)
			breakingAgent(r, last)
			c, br := r.raw(upgradeHead)
			narrow(t, c)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v, want a 101", res, err)
			}
			// The bridge has nothing left to hear of before the client reads on.
			r.eventually("the stream has ended at the bridge", func() bool { return r.metric("fairlead_bridge_streams") == 0 })
			var got bytes.Buffer
			_, err = io.Copy(&got, slowly{br})
			if !bytes.Equal(got.Bytes(), last) {
				t.Errorf("got %d bytes of %d", got.Len(), len(last))
			}
			if err == nil { // io.Copy's word for io.EOF
				t.Error("a clean end, want a broken connection")
			}
			t.Logf("after %d bytes: %v", got.Len(), err)
			_ = c.Close()
			r.eventually("the connection is given up", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
		})
	}
}

// slowly reads as over a path of some MB/s.
type slowly struct{ r io.Reader }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.r.Read(b[:min(len(b), 4<<10)])
}

// TestPartingEndsWithTheBridge: a client that reads nothing keeps a connection
// that was broken off no longer than a moment where the bridge stops.
func TestPartingEndsWithTheBridge(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"tls": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{plain: plain})
			breakingAgent(r, make([]byte, 512<<10))
			c, br := r.raw(upgradeHead)
			narrow(t, c)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v, want a 101", res, err)
			}
			r.eventually("the stream has ended at the bridge", func() bool { return r.metric("fairlead_bridge_streams") == 0 })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			if err := r.server.Drain(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Drain: %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the bridge stopped after %v", took)
			}
			if b, err := io.ReadAll(br); err == nil {
				t.Errorf("%d bytes and a clean end, want a broken connection", len(b))
			}
		})
	}
}
