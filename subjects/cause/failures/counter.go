package failures

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Counter counts failed and lost connections by hop and cause. It is safe for concurrent
// use.
type Counter struct{ *prometheus.CounterVec }

// New returns the counter of a program: "agent" or "bridge". of says which connections
// are counted, as "to brokers".
func New(program, of string) *Counter {
	return &Counter{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_" + program + "_connection_failures_total",
		Help: "Connections " + of + " that failed or were lost, by hop and cause: see docs/troubleshooting.md.",
	}, []string{"hop", "cause"})}
}

// Note counts a failure.
func (c *Counter) Note(f *cause.Failure) {
	c.WithLabelValues(string(f.Hop), string(f.Cause.Info().ID)).Inc()
}
