package tracingtest

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// patience bounds waits for spans, far above what they take.
const patience = 20 * time.Second

// Span is a span as the collector got it.
type Span struct {
	Trace, ID, Parent string // hexadecimal; Parent "" of a root
	Name, Kind        string // Kind as in SPAN_KIND_SERVER, without what is before the last part
	Service           string
	Attributes        map[string]string
	Resource          map[string]string
	Events            []string          // names, in order
	EventAttributes   map[string]string // of all events, the last wins
	Status, Message   string            // "OK", "ERROR", "UNSET"
	TraceState        string
	Took              time.Duration
}

// Collector is a running collector. It is safe for concurrent use.
type Collector struct {
	URL  string // of OTLP over HTTP
	GRPC string // the address of OTLP over gRPC

	http *httptest.Server
	grpc *grpc.Server

	mu       sync.Mutex // guards the rest
	spans    []Span
	text     strings.Builder
	headers  []http.Header
	requests int
	answer   func(http.ResponseWriter, *http.Request) bool
}

// Start starts a collector, which ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Open starts a collector, which must be closed.
func Open() (*Collector, error) {
	c := &Collector{}
	if err := c.serveGRPC(); err != nil {
		return nil, err
	}
	c.http = httptest.NewServer(c)
	c.URL = c.http.URL
	return c, nil
}

// Close ends the collector.
func (c *Collector) Close() {
	c.http.Close()
	c.grpc.Stop()
}

// Answer makes f answer requests in place of the collector, as long as it returns true.
func (c *Collector) Answer(f func(http.ResponseWriter, *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// ServeHTTP implements [http.Handler].
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	c.headers = append(c.headers, r.Header.Clone())
	answer := c.answer
	c.mu.Unlock()
	body, err := io.ReadAll(r.Body) // behind it net/http notices that the client has gone
	if err != nil || answer != nil && answer(w, r) {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	var got collector.ExportTraceServiceRequest
	if err := read(r, &got); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.add(&got)
	b, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(b)
}

func read(r *http.Request, into proto.Message) error {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return err
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return proto.Unmarshal(b, into)
}

func (c *Collector) add(got *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(prototext.MarshalOptions{Multiline: true}.Format(got))
	for _, rs := range got.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.spans = append(c.spans, spanOf(rs.GetResource(), s))
			}
		}
	}
}

func spanOf(r *resource.Resource, s *trace.Span) Span {
	about := attributes(r.GetAttributes())
	out := Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: s.GetName(), Kind: strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"), Service: about["service.name"],
		Attributes: attributes(s.GetAttributes()), Resource: about, EventAttributes: map[string]string{},
		Status:  strings.TrimPrefix(s.GetStatus().GetCode().String(), "STATUS_CODE_"),
		Message: s.GetStatus().GetMessage(), TraceState: s.GetTraceState(),
		Took: time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()),
	}
	for _, e := range s.GetEvents() {
		out.Events = append(out.Events, e.GetName())
		for k, v := range attributes(e.GetAttributes()) {
			out.EventAttributes[k] = v
		}
	}
	return out
}

func attributes(all []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range all {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			m[kv.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			m[kv.GetKey()] = kv.GetValue().String()
		}
	}
	return m
}

// Spans returns what has arrived so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Requests returns how many requests have arrived, and the header of the last.
func (c *Collector) Requests() (int, http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.headers) == 0 {
		return 0, nil
	}
	return c.requests, c.headers[len(c.headers)-1]
}

// Text returns everything that has arrived, as text.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Wait waits for a span that is as wanted, and fails the test if there comes none.
func (c *Collector) Wait(t testing.TB, what string, wanted func(Span) bool) Span {
	t.Helper()
	var found Span
	eventually.Within(t, patience, what, func() error {
		said := "none of these spans:"
		for _, s := range c.Spans() {
			if wanted(s) {
				found = s
				return nil
			}
			said += fmt.Sprintf("\n%s %s: %s of %s: %v %v", s.Service, s.Kind, s.ID, s.Parent, s.Name, s.Attributes)
		}
		return errors.New(said)
	})
	return found
}
