package operations

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// Metrics are a [Service]'s. It is a [prometheus.Collector].
type Metrics struct {
	s       *Service
	results *prometheus.CounterVec
}

var (
	depthDesc = prometheus.NewDesc("fairlead_bridge_operations",
		"Operations of all clusters that have not ended, as this bridge knows them.", []string{"state"}, nil)
	oldestDesc = prometheus.NewDesc("fairlead_bridge_operations_oldest_age_seconds",
		"Age of the oldest operation that has not ended; 0 without one.", nil, nil)
	stalledDesc = prometheus.NewDesc("fairlead_bridge_operations_stalled_seconds",
		"For how long the first operation of a cluster that is online has not been executed, the longest of all clusters; 0 without one.", nil, nil)
)

func newMetrics(s *Service) *Metrics {
	m := &Metrics{s: s, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_bridge_operations_executed_total",
		Help: "Operations that this bridge has executed, or tried to, by the state in which they ended.",
	}, []string{"result"})}
	for _, state := range []api.OperationState{api.OperationSucceeded, api.OperationFailed, api.OperationUnknown} {
		m.results.WithLabelValues(string(state))
	}
	return m
}

func (m *Metrics) ended(s api.OperationState) { m.results.WithLabelValues(string(s)).Inc() }

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	m.results.Describe(c)
	c <- depthDesc
	c <- oldestDesc
	c <- stalledDesc
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	m.results.Collect(c)
	queued, running, oldest := m.s.index.depth()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(depthDesc, float64(queued), string(api.OperationQueued))
	gauge(depthDesc, float64(running), string(api.OperationRunning))
	gauge(oldestDesc, age(oldest))
	gauge(stalledDesc, age(m.s.work.stalled()))
}

func age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, time.Since(since).Seconds())
}
