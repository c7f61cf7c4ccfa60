package failures

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestCounter: failures are counted by hop and cause, and a cause that is not in the
// catalogue as an unknown one, so that no text of a peer becomes a label.
func TestCounter(t *testing.T) {
	c := New("bridge", "to brokers")
	c.Note(&cause.Failure{Hop: cause.TCP, Cause: cause.Refused, Got: "a"})
	c.Note(&cause.Failure{Hop: cause.TCP, Cause: cause.Refused, Got: "b"})
	c.Note(&cause.Failure{Hop: cause.NATS, Cause: "made up by a peer"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "fairlead_bridge_connection_failures_total" {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		labels := m.GetLabel() // in order of their names: cause, hop
		got[labels[1].GetValue()+" "+labels[0].GetValue()] = m.GetCounter().GetValue()
	}
	if want := map[string]float64{"tcp connection-refused": 2, "nats unknown": 1}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
