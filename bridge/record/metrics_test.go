package record

import (
	"maps"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCounts: recordings by their result, in all versions of a recorder.
func TestCounts(t *testing.T) {
	dir := t.TempDir()
	all := recorder(Config{})
	r := all.With(Config{Directory: dir, MaxSession: minMaxSession})
	want := func(active, kept, failed, refused float64) {
		t.Helper()
		want := map[string]float64{
			"fairlead_bridge_recordings_active":        active,
			"fairlead_bridge_recordings_total kept":    kept,
			"fairlead_bridge_recordings_total failed":  failed,
			"fairlead_bridge_recordings_total refused": refused,
		}
		if got := told(t, all); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, err := all.Begin(meta); err == nil {
		t.Error("recorded nowhere")
	}
	if _, err := all.With(Config{Directory: filepath.Join(dir, "none")}).Begin(meta); err == nil {
		t.Error("recorded in no folder")
	}
	never, err := r.Begin(meta)
	if err != nil {
		t.Fatal(err)
	}
	whole := begin(t, r)
	want(2, 0, 0, 2)
	never.Close()
	whole.Close()
	want(0, 1, 0, 2)
	bad := begin(t, r)
	if err := bad.FromClient([]byte("not a message of a WebSocket")); err == nil {
		t.Error("nonsense is recorded")
	}
	bad.Close()
	gone, err := r.Begin(meta) // its caller hung up
	if err != nil {
		t.Fatal(err)
	}
	gone.Sent()
	gone.NotSwitched(http.ErrAbortHandler)
	gone.Close()
	want(0, 2, 1, 2)
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
