package webhook

import "github.com/prometheus/client_golang/prometheus"

var (
	requestsDesc = prometheus.NewDesc("fairlead_bridge_webhook_requests_total",
		"Requests with which this bridge sent events to webhooks: accepted; refused, or not answered.", []string{"webhook", "result"}, nil)
	givenUpDesc = prometheus.NewDesc("fairlead_bridge_webhook_given_up_total",
		"Events that this bridge no longer sends to a webhook, as it accepted them neither within a day nor as they are.", []string{"webhook"}, nil)
	lagDesc = prometheus.NewDesc("fairlead_bridge_webhook_lag_seconds",
		"Age of the event that this bridge is sending to a webhook; 0 where none waits, or another bridge sends.", []string{"webhook"}, nil)
)

// Describe implements [prometheus.Collector].
func (s *Sender) Describe(to chan<- *prometheus.Desc) {
	to <- requestsDesc
	to <- givenUpDesc
	to <- lagDesc
}

// Collect implements [prometheus.Collector].
func (s *Sender) Collect(to chan<- prometheus.Metric) {
	for name, r := range s.running() {
		c := &r.counts
		to <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(c.accepted.Load()), name, "accepted")
		to <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(c.refused.Load()), name, "refused")
		to <- prometheus.MustNewConstMetric(givenUpDesc, prometheus.CounterValue, float64(c.givenUp.Load()), name)
		to <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, c.lag().Seconds(), name)
	}
}
