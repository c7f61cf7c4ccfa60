package link

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the connection to the broker.
type metrics struct {
	connected  atomic.Bool
	reconnects prometheus.Counter
	expiry     prometheus.Gauge
	expiresAt  atomic.Int64 // of expiry
	refused    atomic.Bool  // the credentials in the file, while others are in use
}

func newMetrics(r prometheus.Registerer) *metrics {
	const ns = "fairlead_agent_"
	m := &metrics{
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: ns + "broker_reconnects_total", Help: "Connections to the broker after the first.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: ns + "creds_expiry_timestamp_seconds", Help: "When the credentials in use expire, in Unix time; 0 for never.",
		}),
	}
	r.MustRegister(m.reconnects, m.expiry,
		gauge(ns+"broker_connected", "1 while connected to the broker.", &m.connected),
		gauge(ns+"creds_file_refused", "1 while the credentials in the file are not in use, because it cannot be read or the broker refuses them.", &m.refused),
	)
	return m
}

// gauge is 1 while on is set.
func gauge(name, help string, on *atomic.Bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		if on.Load() {
			return 1
		}
		return 0
	})
}

func (m *metrics) expires(c *Creds) {
	at := int64(0)
	if !c.Expires.IsZero() {
		at = c.Expires.Unix()
	}
	m.expiresAt.Store(at)
	m.expiry.Set(float64(at))
}
