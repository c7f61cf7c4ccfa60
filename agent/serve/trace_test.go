package serve

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/deploy/tracing"
	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	bridgesTrace = "0af7651916cd43dd8448eb211c80319c"
	bridgesSpan  = "b7ad6b7169203331"
)

// tracedPair is a pair whose agent's spans go to a collector.
func tracedPair(t *testing.T, api http.HandlerFunc) (*pair, *tracingtest.Collector) {
	t.Helper()
	c := tracingtest.Start(t)
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "OTEL_") {
			t.Setenv(k, "")
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	traces, err := tracing.Open(tracing.Service{Name: "fairlead-agent"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = traces.Close() })
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	p := newPair(t, &rest.Config{Host: server.URL})
	p.handler.tracer = traces.Tracer()
	return p, c
}

func traced(method, target, id string) *subjects.RequestHead {
	return &subjects.RequestHead{Method: method, Target: target, RequestID: id, Header: http.Header{
		"Traceparent": {"00-" + bridgesTrace + "-" + bridgesSpan + "-01"}, "Tracestate": {"vendor=1"},
	}}
}

// The agent's span is a child of the bridge's, and the parent of its request to the API
// server, which is the parent of the API server's own.
func TestSpansOfAnExchange(t *testing.T) {
	var got http.Header
	p, c := tracedPair(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		if strings.Contains(r.URL.Path, "missing") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "hello")
	})
	for id, tt := range map[string]struct{ path, status, outcome string }{
		"good": {"/api/v1/namespaces/shop/pods/web", "200", "UNSET"}, "missing": {"/api/v1/namespaces/shop/pods/missing", "404", "ERROR"},
	} {
		p.do(t, traced("GET", tt.path+"?secret=query", id), nil)
		served := c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id })
		sent := c.Wait(t, "the request of "+id, func(s tracingtest.Span) bool { return s.Parent == served.ID })
		if served.Trace != bridgesTrace || served.Parent != bridgesSpan || served.Name != "execute GET" || served.Kind != "SERVER" || served.Status != "UNSET" ||
			served.Attributes["http.response.status_code"] != tt.status || served.Attributes["url.path"] != tt.path {
			t.Errorf("%s: %+v", id, served)
		}
		if sent.Trace != bridgesTrace || sent.Name != "GET" || sent.Kind != "CLIENT" || sent.Status != tt.outcome || strings.Join(sent.Events, "|") != "first byte" {
			t.Errorf("%s: %+v", id, sent)
		}
		host := "http://" + p.up.Host()
		if a := sent.Attributes; a["url.full"] != host+tt.path || a["server.address"] != "127.0.0.1" || a["server.port"] == "" ||
			a["network.protocol.version"] != "1.1" || a["http.response.status_code"] != tt.status {
			t.Errorf("%s: %v", id, a)
		}
		if want := "00-" + bridgesTrace + "-" + sent.ID + "-01"; got.Get("Traceparent") != want || got.Get("Tracestate") != "vendor=1" {
			t.Errorf("%s: the API server got %v, want %s", id, got, want)
		}
	}
	if strings.Contains(c.Text(), "secret") {
		t.Error("a span has a query")
	}
}

// Without tracing of its own an agent passes the bridge's context on.
func TestContextPassesAnAgentThatTracesNothing(t *testing.T) {
	var got http.Header
	p := newPair(t, plainServer(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	p.do(t, traced("GET", "/version", "id"), nil)
	if got.Get("Traceparent") != "00-"+bridgesTrace+"-"+bridgesSpan+"-01" || got.Get("Tracestate") != "vendor=1" {
		t.Errorf("the API server got %v", got)
	}
}

func plainServer(t *testing.T, api http.HandlerFunc) *rest.Config {
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// A review has the context too, though nothing else of the request's header is sent.
func TestSpansOfAReview(t *testing.T) {
	var got http.Header
	p, c := tracedPair(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.WriteHeader(http.StatusCreated)
	})
	head := traced("GET", "/api/v1/secrets", "review")
	head.Extensions = []subjects.Extension{{ID: subjects.ExtensionReview}}
	p.do(t, head, nil)
	s := c.Wait(t, "the request", func(s tracingtest.Span) bool { return s.Kind == "CLIENT" })
	if s.Name != "POST" || !strings.HasSuffix(s.Attributes["url.full"], reviewPath) || !strings.Contains(got.Get("Traceparent"), s.ID) {
		t.Errorf("%+v, header %v", s, got)
	}
}

// A failure has the code of its reset; a bridge that gives up is none.
func TestSpansOfFailures(t *testing.T) {
	arrived := make(chan struct{}, 1)
	p, c := tracedPair(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "breaks") {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	s := p.open(t, traced("GET", "/breaks", "breaks"), nil, true)
	_ = agenttest.MustHead(t, s)
	_, _ = io.ReadAll(s)
	s = p.open(t, traced("GET", "/waits", "canceled"), nil, true)
	<-arrived
	s.Reset(subjects.CodeCanceled, "")
	for id, want := range map[string][3]string{"breaks": {"ERROR", "api-server-connection-lost", "api-server-connection-lost"}, "canceled": {"UNSET", "canceled", ""}} {
		served := c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id })
		sent := c.Wait(t, "the request of "+id, func(s tracingtest.Span) bool { return s.Parent == served.ID })
		for _, s := range []tracingtest.Span{served, sent} {
			if got := [3]string{s.Status, s.Attributes["error.type"], s.Message}; got != want {
				t.Errorf("%s: %v, want %v", id, got, want)
			}
		}
	}
}

// An agent whose bridge sends no context begins a trace, which lasts as long as the
// response.
func TestSpanLastsAsLongAsTheResponse(t *testing.T) {
	end := make(chan struct{})
	ends := sync.OnceFunc(func() { close(end) })
	defer ends() // the server waits for its handlers
	p, c := tracedPair(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "event")
		w.(http.Flusher).Flush()
		<-end
	})
	s := p.open(t, &subjects.RequestHead{Method: "GET", Target: "/api/v1/pods?watch=1", RequestID: "watch", Header: http.Header{}}, nil, true)
	_ = agenttest.MustHead(t, s)
	if n := len(c.Spans()); n != 0 {
		t.Errorf("%d spans have ended", n)
	}
	ends()
	_, _ = io.ReadAll(s)
	if served := c.Wait(t, "the watch", func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == "watch" }); served.Parent != "" || served.Status != "UNSET" {
		t.Errorf("%+v", served)
	}
}
