package bridge

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/portforward"
	clientspdy "k8s.io/client-go/transport/spdy"
)

// shown is what client-go tells of failed connections, which kubectl shows.
var shown struct {
	sync.Mutex
	lines []string
}

func init() {
	runtime.ErrorHandlers = append(runtime.ErrorHandlers, func(_ context.Context, err error, msg string, _ ...any) {
		shown.Lock()
		defer shown.Unlock()
		if err != nil {
			msg += ": " + err.Error()
		}
		shown.lines = append(shown.lines, msg)
	})
}

// echoes answers as echoing does, and as a kubelet has a stream for errors open for as long
// as its connection.
func echoes() func(httpstream.Stream, <-chan struct{}) error {
	var mu sync.Mutex
	errs := map[string]httpstream.Stream{}
	return func(s httpstream.Stream, replySent <-chan struct{}) error {
		id := s.Headers().Get("requestID")
		if s.Headers().Get("streamType") == "error" {
			mu.Lock()
			errs[id] = s
			mu.Unlock()
			return nil
		}
		go func() {
			<-replySent
			_, _ = io.Copy(s, s)
			mu.Lock()
			_ = errs[id].Close()
			mu.Unlock()
			_ = s.Close()
		}()
		return nil
	}
}

// kubectl port-forward shows why the bridge ended it: client-go reads the stream for
// errors of each connection, over SPDY and over SPDY in WebSocket.
func TestForwardSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"spdy", "websocket"} {
		t.Run(protocol, func(t *testing.T) {
			server := httptest.NewUnstartedServer(forwarder(t, echoes()))
			server.Listener = lingering{server.Listener}
			server.Start()
			t.Cleanup(server.Close)
			r := newWatchRig(t)
			r.agent("acme", "prod", dialer(server.Listener.Addr().String()))
			cfg := r.config("", "http/1.1")
			u, err := url.Parse(cfg.Host + ".acme/api/v1/namespaces/shop/pods/web/portforward")
			if err != nil {
				t.Fatal(err)
			}
			var d httpstream.Dialer
			if protocol == "spdy" {
				transport, upgrader, err := clientspdy.RoundTripperFor(cfg)
				if err != nil {
					t.Fatal(err)
				}
				d = clientspdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", u)
			} else if d, err = portforward.NewSPDYOverWebsocketDialer(u, cfg); err != nil {
				t.Fatal(err)
			}
			stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			defer close(stop)
			f, err := portforward.New(d, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- f.ForwardPorts() }()
			select {
			case <-ready:
			case err := <-done:
				t.Fatal(err)
			}
			local, err := f.GetPorts()
			if err != nil {
				t.Fatal(err)
			}
			address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(local[0].Local)}
			for _, ends := range []bool{true, false, false} { // the first is not there any more
				c, err := net.DialTCP("tcp", nil, address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(c, "hello"); err != nil {
					t.Fatal(err)
				}
				if b := make([]byte, 5); ends {
					_ = c.CloseWrite()
					_, _ = io.ReadAll(c)
				} else if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
					t.Fatalf("%q, %v", b, err)
				}
			}
			shown.Lock()
			shown.lines = nil
			shown.Unlock()
			r.writeTokens()
			// client-go throws away what it has not read when the first one fails.
			r.eventually("a connection is told", func() bool {
				shown.Lock()
				defer shown.Unlock()
				return strings.Contains(strings.Join(shown.lines, "\n"), "-> 8080: the credential was revoked")
			})
			if err := within(t, "the forward ends", 5*time.Second, done); err == nil || !strings.Contains(err.Error(), "lost connection to pod") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
