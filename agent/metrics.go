package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// failureCount counts failed connections to brokers and to the API server. Its labels
// come from the catalogue of causes, which is closed.
type failureCount struct{ counter *prometheus.CounterVec }

func newFailureCount(r prometheus.Registerer) *failureCount {
	c := &failureCount{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_agent_connection_failures_total",
		Help: "Connections to brokers and to the API server that failed or were lost, by hop and cause: see docs/troubleshooting.md.",
	}, []string{"hop", "cause"})}
	r.MustRegister(c.counter)
	return c
}

// note counts a failure.
func (c *failureCount) note(f *cause.Failure) {
	c.counter.WithLabelValues(string(f.Hop), string(f.Cause.Info().ID)).Inc()
}

// register registers the metrics that are neither of requests nor of the
// connection to the broker: see [serve.Metrics] and package link.
func (a *Agent) register(r prometheus.Registerer) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_agent_streams", Help: "Streams that are served now.",
		}, func() float64 { return float64(a.streams()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_agent_api_server_reachable", Help: "1 while the API server answers.",
		}, a.reachable),
	)
}

func (a *Agent) reachable() float64 {
	if _, ok := a.prober.State(); ok {
		return 1
	}
	return 0
}

func (a *Agent) streams() int {
	if l := a.link.Load(); l != nil {
		return l.Streams()
	}
	return 0
}
