package settings

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/api"
)

type state = api.SettingsState

// metrics is what the last tick saw.
type metrics struct {
	documents, instances, messages *prometheus.Desc

	counting map[state]int // of the tick that runs; only its goroutine uses it

	mu     sync.Mutex // guards the rest
	kept   int        // documents
	states map[state]int
	sent   uint64
}

func newMetrics() *metrics {
	const ns = "fairlead_bridge_settings_"
	return &metrics{
		documents: prometheus.NewDesc(ns+"clusters", "Clusters whose agents have settings, or had.", nil, nil),
		instances: prometheus.NewDesc(ns+"instances", "Agent instances of those clusters that this bridge hears, by what has become of their settings.", []string{"state"}, nil),
		messages:  prometheus.NewDesc(ns+"messages_total", "Messages with settings that this bridge has sent to agents.", nil, nil),
		counting:  map[state]int{}, states: map[state]int{},
	}
}

func (m *metrics) begin(documents int) {
	clear(m.counting)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = documents
}

func (m *metrics) count(s state) { m.counting[s]++ }

func (m *metrics) end(sent int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += uint64(sent)
	clear(m.states)
	maps.Copy(m.states, m.counting)
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
	for _, s := range worst {
		to <- prometheus.MustNewConstMetric(m.instances, prometheus.GaugeValue, float64(m.states[s]), string(s))
	}
	to <- prometheus.MustNewConstMetric(m.messages, prometheus.CounterValue, float64(m.sent))
}
