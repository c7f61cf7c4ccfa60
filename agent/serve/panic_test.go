package serve

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestPanicEndsOneRequest: a panic ends its own stream, without a word of it for
// the caller, and counts as one reset. The next request is served.
func TestPanicEndsOneRequest(t *testing.T) {
	s := agenttest.Server(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	p := newPair(t, agenttest.ConfigFor(s))
	resets := prometheus.NewRegistry()
	resets.MustRegister(p.handler.metrics.resets)

	up := p.handler.up
	p.handler.up = nil // a defect
	st := p.open(t, agenttest.Get("/version"), nil, true)
	_, err := io.ReadAll(st)
	if subjects.CodeOf(err) != subjects.CodeInternal || strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("the stream ended with %v, want code %v and nothing of the panic", err, subjects.CodeInternal)
	}
	p.handler.up = up
	if head, _ := p.do(t, agenttest.Get("/version"), nil); head.Status != http.StatusNoContent {
		t.Errorf("the next request: status %d", head.Status)
	}

	families, err := resets.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
		t.Fatalf("resets: %v, %v; want those of one code", families, err)
	}
	m := families[0].GetMetric()[0]
	if m.GetCounter().GetValue() != 1 || m.GetLabel()[0].GetValue() != subjects.CodeInternal.Label() {
		t.Errorf("resets counted: %v, want one of code internal", m)
	}
}
