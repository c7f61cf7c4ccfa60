package limit

import "github.com/prometheus/client_golang/prometheus"

// metrics count refusals, by the limit: nine values of the label at most.
type metrics struct {
	limited *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{limited: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_bridge_limited_total",
		Help: "Requests that were refused for a limit, by whose limit it is (caller, grant, cluster) and what it bounds.",
	}, []string{"of", "limit"})}
}

func (m *metrics) count(k kind, r resource) {
	m.limited.WithLabelValues(k.String(), r.String()).Inc()
}

// Describe implements [prometheus.Collector].
func (l *Limiter) Describe(c chan<- *prometheus.Desc) { l.metrics.limited.Describe(c) }

// Collect implements [prometheus.Collector].
func (l *Limiter) Collect(c chan<- prometheus.Metric) { l.metrics.limited.Collect(c) }
