package dial

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// TestTrace: every step of an attempt is told, in order, with what it found.
func TestTrace(t *testing.T) {
	b := startBroker(t)
	_, port, _ := net.SplitHostPort(web(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: b.ws})
	}}))
	var steps []Step
	record := func(d *Dialer) {
		d.TLS.ServerName = "example.com"
		d.Trace = func(s Step) { steps = append(steps, s) }
	}
	hops := func() (all []cause.Hop) {
		for _, s := range steps {
			all = append(all, s.Hop)
		}
		return all
	}
	if _, err := connect(t, "wss://localhost:"+port, record); err != nil {
		t.Fatal(err)
	}
	want := []cause.Hop{cause.DNS, cause.TCP, cause.TLS, cause.HTTPUpgrade}
	if hops := slices.Compact(hops()); !slices.Equal(hops, want) { // one TCP step for each address
		t.Fatalf("steps %v, want %v", hops, want)
	}
	if s := steps[0]; s.Target != "localhost" || len(s.Addresses) == 0 || s.Err != nil {
		t.Errorf("dns: %+v", s)
	}
	for _, s := range steps {
		if s.Hop == cause.TLS && (s.TLS == nil || len(s.TLS.PeerCertificates) == 0 || s.Target != "example.com") {
			t.Errorf("tls: %+v", s)
		}
		if s.Proxy != "" || s.Took <= 0 {
			t.Errorf("%s: through %q, took %v", s.Hop, s.Proxy, s.Took)
		}
	}
}

// TestTraceProxy: steps through a proxy name it without its password, and a step that
// failed has the error, and the clock of the other end where it gives one.
func TestTraceProxy(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}))
	defer front.Close()
	via, _ := url.Parse(front.URL)
	via.User = url.UserPassword("joe", "hidden")
	var steps []Step
	_, err := connect(t, "tls://broker.test:4222", func(d *Dialer) {
		d.Proxy = &proxy.Proxies{For: func(*url.URL) (*url.URL, error) { return via, nil }}
		d.Trace = func(s Step) { steps = append(steps, s) }
	})
	if err == nil || len(steps) != 2 || steps[0].Hop != cause.TCP || steps[1].Hop != cause.Proxy {
		t.Fatalf("%v, steps %+v", err, steps)
	}
	if s := steps[1]; time.Since(s.Date).Abs() > 5*time.Second {
		t.Errorf("the proxy's clock: %v", s.Date)
	}
	if s := steps[1]; s.Err == nil || s.Target != "broker.test:4222" || s.Proxy != "proxy "+front.URL {
		t.Errorf("proxy: %+v", s)
	}
	steps = nil
	refusing := web(t, http.NotFoundHandler())
	if _, err := connect(t, "wss://"+refusing, func(d *Dialer) { d.Trace = func(s Step) { steps = append(steps, s) } }); err == nil {
		t.Fatal("connected")
	}
	last := steps[len(steps)-1]
	if last.Hop != cause.HTTPUpgrade || last.Err == nil || time.Since(last.Date).Abs() > 5*time.Second {
		t.Errorf("refused handshake: %+v", last)
	}
}
