package agent

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the agent's metrics, but for those of requests: see
// [serve.Metrics].
type Metrics struct {
	connected  atomic.Bool
	reconnects prometheus.Counter
	expiry     prometheus.Gauge
	refused    atomic.Bool // the credentials file, while others are in use
}

// NewMetrics registers the metrics with r. streams tells how many streams are
// served at the moment, reachable whether the API server answers.
func NewMetrics(r prometheus.Registerer, streams func() int, reachable func() bool) *Metrics {
	const ns = "fairlead_agent_"
	m := &Metrics{
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: ns + "broker_reconnects_total", Help: "Connections to the broker after the first.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: ns + "creds_expiry_timestamp_seconds", Help: "When the credentials in use expire, in Unix time; 0 for never.",
		}),
	}
	r.MustRegister(m.reconnects, m.expiry,
		gauge(ns+"streams", "Streams that are served now.", func() float64 { return float64(streams()) }),
		gauge(ns+"broker_connected", "1 while connected to the broker.", func() float64 { return one(m.connected.Load()) }),
		gauge(ns+"creds_file_refused", "1 while the credentials file is not what is used, since it cannot be read, or the broker refuses it.",
			func() float64 { return one(m.refused.Load()) }),
		gauge(ns+"api_server_reachable", "1 while the API server answers.", func() float64 { return one(reachable()) }),
	)
	return m
}

func gauge(name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *Metrics) expires(c *Creds) {
	if c.Expires.IsZero() {
		m.expiry.Set(0)
		return
	}
	m.expiry.Set(float64(c.Expires.Unix()))
}
