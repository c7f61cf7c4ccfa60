package agent

import (
	"github.com/prometheus/client_golang/prometheus"
)

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
