package feed

import "github.com/prometheus/client_golang/prometheus"

// Metrics are those of streams. A nil *Metrics counts nothing.
type Metrics struct {
	streams prometheus.Gauge
	ended   *prometheus.CounterVec
}

// NewMetrics returns metrics of no streams.
func NewMetrics() *Metrics {
	m := &Metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "fairlead_bridge_event_streams", Help: "Streams of events that are open."}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_bridge_event_streams_ended_total",
			Help: "Streams of events that have ended: client, which hung up; slow, which took nothing for too long; shutdown; revoked, as the caller may no longer read; failed.",
		}, []string{"reason"}),
	}
	for _, r := range []string{endClient, endSlow, endShutdown, endRevoked, endFailed} {
		m.ended.WithLabelValues(r)
	}
	return m
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	m.streams.Describe(to)
	m.ended.Describe(to)
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.streams.Collect(to)
	m.ended.Collect(to)
}

func (m *Metrics) begin() {
	if m != nil {
		m.streams.Inc()
	}
}

func (m *Metrics) end(reason string) {
	if m != nil {
		m.streams.Dec()
		m.ended.WithLabelValues(reason).Inc()
	}
}
