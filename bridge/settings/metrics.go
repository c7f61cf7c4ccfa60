package settings

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/api"
)

type state = api.SettingsState

// metrics is what the last tick saw.
type metrics struct {
	documents, instances, messages *prometheus.Desc

	mu     sync.Mutex // guards the rest
	kept   int        // documents
	states counts
	sent   uint64
}

func newMetrics() *metrics {
	const ns = "fairlead_bridge_settings_"
	return &metrics{
		documents: prometheus.NewDesc(ns+"clusters", "Clusters whose agents have settings, or had.", nil, nil),
		instances: prometheus.NewDesc(ns+"instances", "Agent instances of those clusters that this bridge hears, by what has become of their settings.", []string{"state"}, nil),
		messages:  prometheus.NewDesc(ns+"messages_total", "Messages with settings that this bridge has sent to agents.", nil, nil),
	}
}

func (m *metrics) set(documents, sent int, states *counts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept, m.states = documents, *states
	m.sent += uint64(sent)
}

// Describe implements [prometheus.Collector].
func (d *Desk) Describe(to chan<- *prometheus.Desc) {
	m := d.metrics
	to <- m.documents
	to <- m.instances
	to <- m.messages
}

// Collect implements [prometheus.Collector].
func (d *Desk) Collect(to chan<- prometheus.Metric) {
	m := d.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	to <- prometheus.MustNewConstMetric(m.documents, prometheus.GaugeValue, float64(m.kept))
	for i, s := range worst {
		to <- prometheus.MustNewConstMetric(m.instances, prometheus.GaugeValue, float64(m.states[i]), string(s))
	}
	to <- prometheus.MustNewConstMetric(m.messages, prometheus.CounterValue, float64(m.sent))
}
