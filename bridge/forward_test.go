package bridge

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"
	"time"

	"golang.org/x/net/websocket"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	clientspdy "k8s.io/client-go/transport/spdy"

	"github.com/fairlead-io/fairlead/bridge/audit"
)

// echoing answers each data stream of a port-forward with what it sends.
func echoing(s httpstream.Stream, replySent <-chan struct{}) error {
	go func() {
		<-replySent
		if s.Headers().Get("streamType") == "data" {
			_, _ = io.Copy(s, s)
		}
		_ = s.Close()
	}()
	return nil
}

// closed may be closed twice: SPDY keeps a goroutine for a second if that fails.
type closed struct{ *websocket.Conn }

func (c closed) Close() error {
	_ = c.Conn.Close()
	return nil
}

// forwarder is an API server that forwards ports, by SPDY and by SPDY in WebSocket, and
// does with each stream of the client as it is told.
func forwarder(t *testing.T, echoing func(httpstream.Stream, <-chan struct{}) error) http.Handler {
	tunnelled := websocket.Server{
		Handshake: func(c *websocket.Config, _ *http.Request) error { return nil },
		Handler: func(c *websocket.Conn) {
			c.PayloadType = websocket.BinaryFrame
			conn, err := spdy.NewServerConnection(closed{c}, echoing)
			if err != nil {
				t.Error(err)
				return
			}
			<-conn.CloseChan()
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "websocket" {
			tunnelled.ServeHTTP(w, r)
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
			t.Error(err)
			return
		}
		if conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, echoing); conn != nil {
			<-conn.CloseChan()
		}
	})
}

// The event of a port-forward has the ports to which it opened connections, whichever way
// the client forwards.
func TestPortsOfForward(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{}, rigOptions{})
	server := httptest.NewUnstartedServer(forwarder(t, echoing))
	server.Listener = lingering{server.Listener}
	server.Start()
	t.Cleanup(server.Close)
	r.agent("default", "prod", dialer(server.Listener.Addr().String()))
	cfg := &rest.Config{Host: r.url, BearerToken: r.token, TLSClientConfig: rest.TLSClientConfig{CAData: r.ca}}
	transport, upgrader, err := clientspdy.RoundTripperFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for id, dial := range map[string]func(u *url.URL) (httpstream.Dialer, error){
		"spdy": func(u *url.URL) (httpstream.Dialer, error) {
			return clientspdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", u), nil
		},
		"websocket": func(u *url.URL) (httpstream.Dialer, error) {
			return portforward.NewSPDYOverWebsocketDialer(u, cfg)
		},
	} {
		u, err := url.Parse(r.url + "/k8s/clusters/prod/api/v1/namespaces/shop/pods/" + id + "/portforward")
		if err != nil {
			t.Fatal(err)
		}
		d, err := dial(u)
		if err != nil {
			t.Fatal(err)
		}
		useForward(t, d, "0:8080", "0:9090", "0:7070")
		var got []int
		r.eventually("the event of "+id, func() bool {
			for _, e := range s.events(t) {
				if ref := e.Data.ObjectRef; ref != nil && ref.Name == id && e.Data.Stage == string(audit.StageComplete) {
					got = e.Data.Session.Ports
					return true
				}
			}
			return false
		})
		if want := []int{8080, 9090}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: ports %v, want those that were used: %v", id, got, want)
		}
	}
}

// useForward forwards ports and uses all but the last one, twice.
func useForward(t *testing.T, d httpstream.Dialer, ports ...string) {
	t.Helper()
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f, err := portforward.New(d, ports, stop, ready, io.Discard, io.Discard)
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
	for range 2 {
		for _, p := range local[:len(local)-1] {
			c, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p.Local)})
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, "hello")
			_ = c.CloseWrite()
			if b, err := io.ReadAll(c); err != nil || string(b) != "hello" {
				t.Errorf("%q, %v", b, err)
			}
			_ = c.Close()
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
