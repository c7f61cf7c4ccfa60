package audit

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/audit/sink"
)

// counts are the metrics of a log.
type counts struct {
	queues []*sink.Queue
	names  []string
}

var (
	waitingDesc = prometheus.NewDesc("fairlead_bridge_audit_waiting_events",
		"Audit events that wait for their sink, or that it is writing.", []string{"sink"}, nil)
	waitingBytesDesc = prometheus.NewDesc("fairlead_bridge_audit_waiting_bytes",
		fmt.Sprintf("The bytes of these events; events that find more than %d waiting are dropped.", sink.MaxPending), []string{"sink"}, nil)
)

var eventsDesc = prometheus.NewDesc("fairlead_bridge_audit_events_total",
	"Audit events by sink and outcome: written; dropped, because too many were waiting; failed, because the sink did not take them.",
	[]string{"sink", "outcome"}, nil)

// Describe implements [prometheus.Collector].
func (c *counts) Describe(ch chan<- *prometheus.Desc) {
	ch <- eventsDesc
	ch <- waitingDesc
	ch <- waitingBytesDesc
}

// Collect implements [prometheus.Collector].
func (c *counts) Collect(ch chan<- prometheus.Metric) {
	for i, q := range c.queues {
		events, bytes := q.Waiting()
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(events), c.names[i])
		ch <- prometheus.MustNewConstMetric(waitingBytesDesc, prometheus.GaugeValue, float64(bytes), c.names[i])
		written, dropped, failed := q.Counts()
		for outcome, n := range map[string]uint64{"written": written, "dropped": dropped, "failed": failed} {
			ch <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(n), c.names[i], outcome)
		}
	}
}
