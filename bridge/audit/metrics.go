package audit

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/audit/sink"
)

// counts are the metrics of a log.
type counts struct {
	queues []*sink.Queue
	names  []string
}

var eventsDesc = prometheus.NewDesc("fairlead_bridge_audit_events_total",
	"Audit events by sink and outcome: written; dropped, because too many were waiting; failed, because the sink did not take them.",
	[]string{"sink", "outcome"}, nil)

// Describe implements [prometheus.Collector].
func (c *counts) Describe(ch chan<- *prometheus.Desc) { ch <- eventsDesc }

// Collect implements [prometheus.Collector].
func (c *counts) Collect(ch chan<- prometheus.Metric) {
	for i, q := range c.queues {
		written, dropped, failed := q.Counts()
		for outcome, n := range map[string]uint64{"written": written, "dropped": dropped, "failed": failed} {
			ch <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(n), c.names[i], outcome)
		}
	}
}
