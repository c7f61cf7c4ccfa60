package reach

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// front is a web server in front of a broker: it asks to be left alone, or lets through.
type front struct {
	url        string
	retryAfter atomic.Pointer[string] // nil: it lets through
	asked      atomic.Int32
}

func startFront(t *testing.T, retryAfter string) *front {
	f := &front{}
	if retryAfter != "" {
		f.retryAfter.Store(&retryAfter)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if after := f.retryAfter.Load(); after != nil {
			w.Header().Set("Retry-After", *after)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_ = c.Write(r.Context(), websocket.MessageBinary, []byte(`INFO {"version":"2.15.2","headers":true}`+"\r\n"))
			_, _, _ = c.Read(r.Context()) // until the other end hangs up
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	f.url = "ws" + strings.TrimPrefix(s.URL, "http")
	return f
}

func openFronts(t *testing.T, fronts ...*front) *Broker {
	t.Helper()
	c := Config{Transport: transport.Config{Prefix: "broker-"}}
	for _, f := range fronts {
		c.Servers = append(c.Servers, f.url)
	}
	b, err := Open(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shown is a front's URL in logs and errors.
func (f *front) shown(t *testing.T) string {
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	return natslink.ShownServer(u)
}

// TestLimitedServerHoldsUpNoOther: while one server asks to be left alone, connections are
// made to the other at once, and the one is not asked again.
func TestLimitedServerHoldsUpNoOther(t *testing.T) {
	limited, free := startFront(t, "600"), startFront(t, "")
	b := openFronts(t, limited, free)
	for range 20 {
		r := b.Redialer(t.Context())
		conn, err := r.Dial("", "")
		if err != nil {
			if failed, ok := errors.AsType[*AttemptError](err); !ok || failed.Server != limited.shown(t) {
				t.Fatalf("%v, want the limit of %s", err, limited.url)
			}
			if wait := r.RetryDelay(1); wait != 0 {
				t.Fatalf("waits %v before it tries the other", wait)
			}
			conn, err = r.Dial("", "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Server() != free.shown(t) || !r.Until().IsZero() {
			t.Errorf("connected to %s, waits until %v", r.Server(), r.Until())
		}
		_ = conn.Close()
	}
	if limited.asked.Load() > 1 || free.asked.Load() != 20 {
		t.Errorf("the limited one was asked %d times, the other %d times; want at most once, and 20", limited.asked.Load(), free.asked.Load())
	}
}

// TestAllServersAreHeld: then none is asked, the wait is the shorter one, and it is said
// whose. The first that is back is used, though the other still asks for time.
func TestAllServersAreHeld(t *testing.T) {
	long, short := startFront(t, "600"), startFront(t, "300")
	b := openFronts(t, long, short)
	r := b.Redialer(t.Context())
	for range 2 { // a round: each once
		if conn, err := r.Dial("", ""); err == nil {
			_ = conn.Close()
			t.Fatal("connected")
		}
		r.RetryDelay(1)
	}
	_, err := r.Dial("", "")
	if failed, ok := errors.AsType[*AttemptError](err); !ok || failed.Server != short.shown(t) {
		t.Errorf("held by %v, want the one that asks for less, %s", err, short.url)
	}
	if wait := r.RetryDelay(2); wait < lookAtLeast || wait > lookAtMost {
		t.Errorf("looks after %v, want 5 to 10 s", wait)
	}
	if left := time.Until(r.Until()); left < 299*time.Second || left > 303*time.Second {
		t.Errorf("the next attempt is in %v, want 300 s and a spread of up to 2 s", left)
	}
	if long.asked.Load() != 1 || short.asked.Load() != 1 {
		t.Errorf("asked %d and %d times, want once each", long.asked.Load(), short.asked.Load())
	}

	short.retryAfter.Store(nil)
	b.limits.mu.Lock()
	for server, of := range b.limits.limits.of {
		if natslink.ShownServer(server) == short.shown(t) {
			of.until = time.Now() // as if 300 s were over
		}
	}
	b.limits.mu.Unlock()
	for _, r := range []*Redialer{r, b.Redialer(t.Context())} {
		conn, err := r.Dial("", "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Server() != short.shown(t) {
			t.Errorf("connected to %s", r.Server())
		}
		_ = conn.Close()
	}
	if long.asked.Load() != 1 {
		t.Errorf("the other was asked %d times", long.asked.Load())
	}
}
