package store

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestMetrics: operations by their result, and whether there is a connection.
func TestMetrics(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b, nil)
	up(t, s)
	connected := func() float64 { return told(t, s)["fairlead_bridge_store_connected"] }
	want := func(result string, o Operation, n float64) {
		t.Helper()
		if got := told(t, s)["fairlead_bridge_store_operations_total "+string(o)+" "+result]; got != n {
			t.Errorf("%v operations %s are %s, want %v", got, o, result, n)
		}
	}
	if _, err := s.Stream(t.Context(), Approvals()); err != nil || connected() != 1 {
		t.Errorf("connected %v, %v", connected(), err)
	}
	want("ok", LookAtStream, 1)
	s.Observe(WriteAudit)(errors.New("the stream is full"))
	s.Observe(WriteAudit)(context.DeadlineExceeded) // without a quorum nobody answers
	s.Observe(WriteAudit)(context.Canceled)
	want("failed", WriteAudit, 1)
	want("unavailable", WriteAudit, 1)
	want("ok", WriteAudit, 0)
	b.Kill(0)
	eventually.Nil(t, "notice", func() error {
		if connected() != 0 {
			return errors.New("connected")
		}
		return nil
	})
	if _, err := s.Stream(t.Context(), Approvals()); err == nil {
		t.Error("a stream without a broker")
	}
	want("unavailable", LookAtStream, 1)
	if n := told(t, s)["fairlead_bridge_store_operation_duration_seconds stream"]; n != 2 {
		t.Errorf("the durations of %v operations", n)
	}
}

// told returns the values of counters and gauges by name and labels.
func told(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}
