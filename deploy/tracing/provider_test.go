package tracing

import (
	"bytes"
	"context"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// traced is a provider with what stands around it.
type traced struct {
	*Provider
	reg *prometheus.Registry
	log lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, vars map[string]string) *traced {
	t.Helper()
	clean(t, vars)
	tr := &traced{reg: prometheus.NewRegistry()}
	var err error
	if tr.Provider, err = Open(Service{"fairlead-test", "v1"}, slog.New(slog.NewTextHandler(&tr.log, nil)), tr.reg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// count is the value of a counter with a label, summed over all.
func (tr *traced) count(t *testing.T, name, label string) (n float64) {
	t.Helper()
	families, err := tr.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fairlead_tracing_spans_"+name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// The standard variables reach the exporter: headers, service, resource, compression.
func TestStandardVariables(t *testing.T) {
	c := tracingtest.Start(t)
	tr := start(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.version=overruled",
	})
	header := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Tracestate": {"a=1", "b=2"}}
	s := tr.Tracer().Serve("GET", header)
	if !s.Recording() {
		t.Fatal("the span of a sampled parent is not recorded")
	}
	s.Set(span.Text(span.Cluster, "bad \xff utf-8 "+strings.Repeat("x", 4096)))
	s.Inject(header)
	if h := header.Get("Traceparent"); !strings.HasPrefix(h, "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(h, "b7ad6b7169203331") || header.Get("Tracestate") != "a=1,b=2" {
		t.Errorf("header %v", header)
	}
	s.End()
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	got := c.Wait(t, "the span", func(tracingtest.Span) bool { return true })
	if got.Service != "mine" || got.Resource["deployment.environment.name"] != "test" || got.Resource["service.version"] != "overruled" ||
		got.Resource["service.instance.id"] == "" || got.Resource["telemetry.sdk.language"] != "go" {
		t.Errorf("resource %v", got.Resource)
	}
	if got.Parent != "b7ad6b7169203331" || got.Kind != "SERVER" || got.TraceState != "a=1,b=2" {
		t.Errorf("span %+v", got)
	}
	if v := got.Attributes["fairlead.cluster"]; !strings.HasPrefix(v, "bad \uFFFD utf-8 xxx") || len(v) > 520 {
		t.Errorf("attribute of %d bytes: %.40q", len(v), v)
	}
	if n, h := c.Requests(); n != 1 || h.Get("X-Key") != "a b" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d requests, header %v", n, h)
	}
	if tr.count(t, "exported_total", "") != 1 || tr.count(t, "dropped_total", "") != 0 {
		t.Error("the span is not counted as exported")
	}
}

// A collector with a private CA is verified by OTEL_EXPORTER_OTLP_CERTIFICATE.
func TestCollectorOverTLS(t *testing.T) {
	c := tracingtest.Start(t)
	server := httptest.NewTLSServer(c)
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ca    string
		spans int
	}{{"", 0}, {ca, 1}} {
		tr := start(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/v1/traces", "OTEL_EXPORTER_OTLP_CERTIFICATE": tt.ca})
		tr.Tracer().Serve("GET", nil).End()
		_ = tr.Close()
		if n := len(c.Spans()); n != tt.spans {
			t.Errorf("with the CA file %q: %d spans, want %d", tt.ca, n, tt.spans)
		}
		if failed := tr.count(t, "dropped_total", "export-failed"); failed != float64(1-tt.spans) {
			t.Errorf("%v spans failed", failed)
		}
	}
	server.CloseClientConnections()
}

// The sampler decides about traces that begin here; by default the caller has decided
// about those of a caller.
func TestSampling(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	for _, tt := range []struct {
		sampler, arg, parent string
		recorded             bool
	}{
		{"", "", "", true},
		{"", "", trace + "00", false},
		{"parentbased_traceidratio", "0", "", false},
		{"parentbased_traceidratio", "0", trace + "01", true},
		{"traceidratio", "0", trace + "01", false},
		{"always_off", "", trace + "01", false},
		{"always_on", "", trace + "00", true},
		{"", "", "00-00000000000000000000000000000000-b7ad6b7169203331-00", true}, // invalid: none
	} {
		tr := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": tt.sampler, "OTEL_TRACES_SAMPLER_ARG": tt.arg, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
		h := http.Header{}
		if tt.parent != "" {
			h.Set("Traceparent", tt.parent)
		}
		s := tr.Tracer().Serve("GET", h)
		if s.Recording() != tt.recorded {
			t.Errorf("%+v: recorded is %v", tt, s.Recording())
		}
		s.Inject(h)
		if flags := h.Get("Traceparent")[53:]; (flags[1]&1 == 1) != tt.recorded {
			t.Errorf("%+v: flags %s", tt, flags)
		}
	}
}

// A collector that is down costs spans, and neither time nor memory nor log: the queue
// is bounded, what is dropped is counted, and the log says it once.
func TestCollectorIsDown(t *testing.T) {
	c := tracingtest.Start(t)
	hang := make(chan struct{})
	release := sync.OnceFunc(func() { close(hang) })
	defer release()
	c.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	const queue, spans = 100, 5000
	tr := start(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BSP_SCHEDULE_DELAY": "1",
	})
	begin := time.Now()
	for range spans {
		tr.Tracer().Serve("GET", nil).End()
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("%d spans took %v", spans, took)
	}
	if full := tr.count(t, "dropped_total", "queue-full"); full != spans-queue {
		t.Errorf("%v spans dropped, want all but %d of %d", full, queue, spans)
	}
	release()
	eventually.True(t, "what waits fails", func() bool { return tr.count(t, "dropped_total", "export-failed") == queue })
	if n := strings.Count(tr.log.String(), "traces could not be exported"); n != 1 {
		t.Errorf("logged %d times: %s", n, tr.log.String())
	}
	c.Answer(nil)
	tr.Tracer().Serve("GET", nil).End()
	eventually.True(t, "the collector is back", func() bool { return tr.count(t, "exported_total", "") == 1 })
}

// A process that stops flushes, and does not wait for a collector that hangs.
func TestStopping(t *testing.T) {
	c := tracingtest.Start(t)
	vars := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
	tr := start(t, vars)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- tr.Run(ctx) }()
	tr.Tracer().Serve("GET", nil).End()
	if n, _ := c.Requests(); n != 0 {
		t.Error("sent before its time")
	}
	cancel()
	if err := <-ran; err != nil || len(c.Spans()) != 1 {
		t.Errorf("%v, %d spans; want the one that waited", err, len(c.Spans()))
	}
	c.Answer(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	tr = start(t, vars)
	tr.Tracer().Serve("GET", nil).End()
	begin := time.Now()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < flushTimeout || took > flushTimeout+endTimeout {
		t.Errorf("stopped after %v, want %v", took, flushTimeout)
	}
	if tr.count(t, "dropped_total", "export-failed") != 1 {
		t.Error("the span that was lost is not counted")
	}
}
