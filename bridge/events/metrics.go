package events

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	lost    prometheus.Counter
	waiting prometheus.GaugeFunc
}

func newMetrics(q *queue) *metrics {
	const ns = "fairlead_bridge_events_"
	return &metrics{
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: ns + "lost_total", Help: "Events that were given up: the shared store took none for too long, or refused them.",
		}),
		waiting: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: ns + "waiting", Help: "Events that wait in memory until the shared store takes them.",
		}, func() float64 { return float64(q.len()) }),
	}
}

// Describe implements [prometheus.Collector].
func (d *Durable) Describe(to chan<- *prometheus.Desc) {
	d.metrics.lost.Describe(to)
	d.metrics.waiting.Describe(to)
}

// Collect implements [prometheus.Collector].
func (d *Durable) Collect(to chan<- prometheus.Metric) {
	d.metrics.lost.Collect(to)
	d.metrics.waiting.Collect(to)
}
