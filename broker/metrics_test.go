package broker

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.Name = "node-7" })
	agent := mustConnect(t, l, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	bridge := mustConnect(t, l, b.ClientURL(), bridgeCreds(t, l, "acme", "b1"))
	if err := roundTrip(bridge, agent, "b1", "prod", "a1"); err != nil {
		t.Fatal(err)
	}
	got := gather(t, b)
	if got["node-7"] != 1 {
		t.Errorf("the node's name is missing: %v", got)
	}
	for name, want := range map[string]float64{
		"fairlead_broker_connections":     3, // agent, bridge, guard
		"fairlead_broker_accounts":        3, // acme, the system account and $G
		"fairlead_broker_guard_up":        1,
		"fairlead_broker_guard_cut_total": 0,
		"fairlead_broker_routes":          0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{
		"fairlead_broker_client_in_messages_total", "fairlead_broker_client_out_messages_total",
		"fairlead_broker_client_in_bytes_total", "fairlead_broker_client_out_bytes_total",
		"fairlead_broker_subscriptions", "fairlead_broker_memory_bytes", "fairlead_broker_start_time_seconds",
	} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

// gather is a broker's metrics, and the name of the node as one of value 1.
func gather(t *testing.T, b *Broker) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		for _, label := range m.GetLabel() {
			if label.GetName() == "node" {
				got[label.GetValue()] = 1
			}
		}
	}
	return got
}
