package bridge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/deploy/tracing"
	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

// tracedRig is a rig whose spans go to a collector, with these variables in addition.
func tracedRig(t *testing.T, o rigOptions, vars ...string) (*rig, *tracingtest.Collector) {
	t.Helper()
	c := tracingtest.Start(t)
	traces := traceTo(t, c, vars...)
	configure := o.config
	o.config = func(cfg *Config) {
		cfg.Tracer = traces.Tracer()
		if configure != nil {
			configure(cfg)
		}
	}
	return newRig(t, o), c
}

// traceTo returns a provider that exports at once.
func traceTo(t *testing.T, c *tracingtest.Collector, vars ...string) *tracing.Provider {
	t.Helper()
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "OTEL_") {
			t.Setenv(k, "")
		}
	}
	for _, kv := range append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_BSP_SCHEDULE_DELAY=1"}, vars...) {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	traces, err := tracing.Open(tracing.Service{Name: "fairlead-bridge", Version: "v1"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := traces.Close(); err != nil {
			t.Error(err)
		}
	})
	return traces
}

// heads keeps the heads that an agent got, by request id.
type heads chan *subjects.RequestHead

func (h heads) hello(head *subjects.RequestHead, s *stream.Stream) {
	h <- head
	hello(head, s)
}

// Every way in has a span of the request, which is a child of the caller's, and one of
// the hop, which is its child and the agent's parent.
func TestSpansOfEveryWayIn(t *testing.T) {
	r, c := tracedRig(t, rigOptions{config: func(c *Config) { c.ClusterDomain = "k8s.example.com" }})
	got := make(heads, 1)
	r.agent("acme", "prod", got.hello)
	const pods = "/api/v1/namespaces/shop/pods/web"
	path := named(r.request("GET", "/k8s/clusters/prod.acme"+pods+"?fieldSelector=x", nil), "path")
	host := named(r.request("DELETE", "/apis/apps/v1/namespaces/shop/deployments/web/scale", nil), "host")
	host.Host = "prod.acme.k8s.example.com"
	call := named(r.request("POST", "/v1/clusters/prod.acme/requests", strings.NewReader(`{"path": "`+pods+`", "headers": {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}}`)), "call")
	for _, tt := range []struct {
		id, name, verb, resource, method string
		req                              *http.Request
	}{
		{"path", "GET /k8s/clusters/{cluster}/{path}", "get", "pods", "GET", path},
		{"host", "DELETE /{path}", "delete", "deployments.apps/scale", "DELETE", host},
		{"call", "POST /v1/clusters/{cluster}/requests", "get", "pods", "GET", call},
	} {
		tt.req.Header.Set("Traceparent", callersParent)
		tt.req.Header.Set("Tracestate", "vendor=1")
		if res, body := r.do(r.h2, tt.req); res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", tt.id, res.StatusCode, body)
		}
		of := func(kind string) tracingtest.Span {
			return c.Wait(t, tt.id+" "+kind, func(s tracingtest.Span) bool {
				return s.Attributes["fairlead.request.id"] == tt.id && s.Kind == kind
			})
		}
		server, hop, head := of("SERVER"), of("CLIENT"), <-got
		if server.Trace != callersTrace || server.Parent != callersSpan || server.TraceState != "vendor=1" || server.Name != tt.name || server.Status != "UNSET" {
			t.Errorf("%s: %+v", tt.id, server)
		}
		for k, want := range map[string]string{
			"fairlead.verb": tt.verb, "fairlead.resource": tt.resource, "fairlead.namespace": "shop", "fairlead.cluster": "prod.acme",
			"http.request.method": tt.req.Method, "http.response.status_code": "200", "url.scheme": "https", "user_agent.original": "test/1",
			"client.address": "127.0.0.1", "network.protocol.version": "2", "url.path": tt.req.URL.Path,
		} {
			if server.Attributes[k] != want {
				t.Errorf("%s: %s is %q, want %q", tt.id, k, server.Attributes[k], want)
			}
		}
		if hop.Parent != server.ID || hop.Trace != callersTrace || hop.Name != "tunnel "+tt.method || strings.Join(hop.Events, "|") != "open|first byte" {
			t.Errorf("%s: %+v", tt.id, hop)
		}
		if a := hop.Attributes; a["fairlead.tenant"] != "acme" || a["fairlead.cluster"] != "prod.acme" || len(a["fairlead.instance"]) < 8 ||
			a["messaging.system"] != "nats" || a["http.response.status_code"] != "200" || strings.Contains(a["url.path"], "?") {
			t.Errorf("%s: %v", tt.id, a)
		}
		if want := "00-" + callersTrace + "-" + hop.ID + "-01"; head.Header.Get("Traceparent") != want || head.Header.Get("Tracestate") != "vendor=1" {
			t.Errorf("%s: the agent got %v, want %s", tt.id, head.Header, want)
		}
	}
}

// A caller that sends no context, or a broken one, begins a trace.
func TestTraceBegins(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	got := make(heads, 1)
	r.agent("default", "prod", got.hello)
	for id, parents := range map[string][]string{
		"none": nil, "broken": {"00-x"}, "zero": {"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, "two": {callersParent, callersParent},
	} {
		req := named(r.request("GET", "/k8s/clusters/prod/version", nil), id)
		req.Header["Traceparent"], req.Header["Tracestate"] = parents, []string{"vendor=1"}
		r.do(r.h1, req)
		s := c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id && s.Kind == "SERVER" })
		if s.Parent != "" || s.Trace == callersTrace {
			t.Errorf("%s: %+v", id, s)
		}
		if h := (<-got).Header; !strings.HasPrefix(h.Get("Traceparent"), "00-"+s.Trace) || h.Get("Tracestate") != "" || len(h["Traceparent"]) != 1 {
			t.Errorf("%s: the agent got %v", id, h)
		}
	}
}

// A trace that is not sampled sends nothing, and says so to the agent. One that a
// caller has sampled is sent whatever the ratio.
func TestSpansThatAreNotSampled(t *testing.T) {
	r, c := tracedRig(t, rigOptions{}, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0")
	got := make(heads, 1)
	r.agent("default", "prod", got.hello)
	for range 20 {
		r.do(r.h1, named(r.request("GET", "/k8s/clusters/prod/version", nil), "no"))
		if h := (<-got).Header.Get("Traceparent"); !strings.HasPrefix(h, "00-") || (h[54]-'0')&1 != 0 {
			t.Fatalf("the agent got %q", h)
		}
	}
	req := named(r.request("GET", "/k8s/clusters/prod/version", nil), "yes")
	req.Header.Set("Traceparent", callersParent)
	r.do(r.h1, req)
	<-got
	c.Wait(t, "sampled", func(s tracingtest.Span) bool {
		return s.Attributes["fairlead.request.id"] == "yes" && s.Kind == "SERVER"
	})
	for _, s := range c.Spans() {
		if s.Attributes["fairlead.request.id"] != "yes" {
			t.Errorf("%+v", s)
		}
	}
}

// Without tracing the context of the caller passes as it is.
func TestContextPassesWithoutTracing(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	got := make(heads, 1)
	r.agent("default", "prod", got.hello)
	for _, parent := range []string{callersParent, "not a context", ""} {
		req := r.request("GET", "/k8s/clusters/prod/version", nil)
		if parent != "" {
			req.Header.Set("Traceparent", parent)
			req.Header.Set("Tracestate", "vendor=1")
		}
		r.do(r.h1, req)
		if h := (<-got).Header; h.Get("Traceparent") != parent || (parent != "") != (h.Get("Tracestate") == "vendor=1") {
			t.Errorf("%q: %v", parent, h)
		}
	}
}

// A failure has its code, and is an error unless it is the caller's.
func TestSpansOfFailures(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	r.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch {
		case strings.Contains(head.Target, "unreachable"):
			s.Reset(subjects.CodeUnreachable, "no route")
		case strings.Contains(head.Target, "breaks"):
			_, _ = s.Write(append(encodeHead(200, 100), "half"...))
			s.Reset(subjects.CodeUpstream, "lost")
		default:
			reply(s, 503, "busy")
		}
	})
	stranger := r.request("GET", "/k8s/clusters/prod.acme/version", nil)
	stranger.Header.Set("Authorization", "Bearer wrong")
	for id, tt := range map[string]struct {
		req                 *http.Request
		kind, code, message string
	}{
		"stranger":       {stranger, "SERVER", "unauthenticated", ""},
		"absent":         {r.request("GET", "/k8s/clusters/prod.lab/version", nil), "SERVER", "cluster-never-connected", "cluster-never-connected"},
		"absent-hop":     {r.request("GET", "/k8s/clusters/prod.lab/version", nil), "CLIENT", "cluster-never-connected", "cluster-never-connected"},
		"absent-call":    {r.request("POST", "/v1/clusters/prod.lab/requests", strings.NewReader(`{"path": "/version"}`)), "CLIENT", "cluster-never-connected", "cluster-never-connected"},
		"unreachable":    {r.request("POST", "/k8s/clusters/prod.acme/unreachable", nil), "SERVER", "api-server-unreachable", "api-server-unreachable"},
		"breaks":         {r.request("GET", "/k8s/clusters/prod.acme/breaks", nil), "SERVER", "api-server-connection-lost", "api-server-connection-lost"},
		"breaks-hop":     {r.request("GET", "/k8s/clusters/prod.acme/breaks", nil), "CLIENT", "api-server-connection-lost", "api-server-connection-lost"},
		"upstream":       {r.request("GET", "/k8s/clusters/prod.acme/version", nil), "SERVER", "503", "503"},
		"nothing-served": {r.request("GET", "/nothing", nil), "SERVER", "not-found", ""},
	} {
		if res, err := r.h1.Do(named(tt.req, id)); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		s := c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id && s.Kind == tt.kind })
		if s.Attributes["error.type"] != tt.code || s.Message != tt.message || (s.Status == "ERROR") != (tt.message != "") {
			t.Errorf("%s: %+v", id, s)
		}
	}
}

// A request that an instance did not take is tried on another one, in one span.
func TestSpanOfTwoAttempts(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	var tried atomic.Bool
	for range 2 {
		r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
			if tried.CompareAndSwap(false, true) {
				s.Reset(subjects.CodeDraining, "")
				return
			}
			hello(head, s)
		})
	}
	r.do(r.h1, r.request("GET", "/k8s/clusters/prod/version", nil))
	s := c.Wait(t, "the hop", func(s tracingtest.Span) bool { return s.Kind == "CLIENT" })
	if strings.Join(s.Events, "|") != "open|attempt failed|open|first byte" || s.EventAttributes["fairlead.code"] != "draining" || s.Status != "UNSET" {
		t.Errorf("%+v", s)
	}
}

// A watch and a session have a span that is exported when they begin; their own spans
// last as long as they do.
func TestSpansOfLongRequests(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	end := make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, st *stream.Stream) {
		if head.Header.Get("Upgrade") != "" {
			_, _ = st.Write(switchTo("SPDY/3.1"))
			_, _ = io.ReadAll(st)
			_ = st.CloseWrite()
			return
		}
		_, _ = st.Write(append(encodeHead(200, -1), "event\n"...))
		<-end
		_ = st.CloseWrite()
	})
	begun := func(name string) {
		t.Helper()
		s := c.Wait(t, name, func(s tracingtest.Span) bool { return s.Name == name && s.Kind == "INTERNAL" })
		for _, other := range c.Spans() {
			if other.ID == s.Parent {
				t.Errorf("the span of the request has ended: %+v", other)
			}
		}
	}
	res, err := r.h1.Do(named(r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil), "watch"))
	if err != nil {
		t.Fatal(err)
	}
	begun("tunnel GET begun")
	close(end)
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	conn, br := r.raw("POST /k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec?command=sh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n" +
		"X-Request-Id: exec\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	begun("tunnel POST begun")
	_ = conn.CloseWrite()
	_, _ = io.ReadAll(br)
	for _, id := range []string{"watch", "exec"} {
		for _, kind := range []string{"SERVER", "CLIENT"} {
			s := c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id && s.Kind == kind })
			if s.Status != "UNSET" || s.Attributes["error.type"] != "" {
				t.Errorf("%s: %+v", id, s)
			}
		}
	}
}

// A caller that hangs up has its span, which is no error.
func TestSpanOfACallerThatHangsUp(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	arrived := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		close(arrived)
		<-s.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := r.h1.Do(r.request("GET", "/k8s/clusters/prod/version", nil).WithContext(ctx)); err == nil {
		t.Fatal("the request was answered")
	}
	for _, kind := range []string{"SERVER", "CLIENT"} {
		s := c.Wait(t, kind, func(s tracingtest.Span) bool { return s.Kind == kind })
		if s.Status != "UNSET" || kind == "SERVER" && s.Attributes["error.type"] != "client-gone" {
			t.Errorf("%+v", s)
		}
	}
}
