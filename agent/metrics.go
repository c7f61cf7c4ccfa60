package agent

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects"
)

// Metrics are the agent's metrics. Those of the request path are looked up
// once, here, and not for each request.
type Metrics struct {
	requests [len(methods)][len(classes)]prometheus.Counter
	resets   *prometheus.CounterVec
	latency  prometheus.Histogram
	up, down prometheus.Counter

	connected  atomic.Bool
	reconnects prometheus.Counter
	expiry     prometheus.Gauge
	refused    atomic.Bool // the credentials file, while others are in use
}

var (
	// methods are the label values of a request's method; the last stands for
	// all others, so that a caller cannot make up time series.
	methods = [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"}
	classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"}
)

// NewMetrics registers the metrics with r. streams tells how many streams are
// served at the moment, reachable whether the API server answers.
func NewMetrics(r prometheus.Registerer, streams func() int, reachable func() bool) *Metrics {
	const ns = "fairlead_agent_"
	m := &Metrics{
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: ns + "resets_total", Help: "Streams that ended without a whole answer, by code.",
		}, []string{"code"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    ns + "upstream_seconds",
			Help:    "Time from sending a request to the API server until the head of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: ns + "broker_reconnects_total", Help: "Connections to the broker after the first.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: ns + "creds_expiry_timestamp_seconds", Help: "When the credentials in use expire, in Unix time; 0 for never.",
		}),
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: ns + "requests_total", Help: "Requests that the API server has answered, by method and class of status.",
	}, []string{"method", "code"})
	for i, method := range methods {
		for j, class := range classes {
			m.requests[i][j] = requests.WithLabelValues(method, class)
		}
	}
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: ns + "bytes_total", Help: "Bytes to the API server (up: bodies) and from it (down: heads and bodies).",
	}, []string{"direction"})
	m.up, m.down = bytes.WithLabelValues("up"), bytes.WithLabelValues("down")
	r.MustRegister(requests, m.resets, m.latency, bytes, m.reconnects, m.expiry,
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

func (m *Metrics) answered(method string, status int, d time.Duration) {
	m.requests[methodIndex(method)][classIndex(status)].Inc()
	m.latency.Observe(d.Seconds())
}

func (m *Metrics) reset(code subjects.Code) { m.resets.WithLabelValues(code.String()).Inc() }

func (m *Metrics) expires(c *Creds) {
	if c.Expires.IsZero() {
		m.expiry.Set(0)
		return
	}
	m.expiry.Set(float64(c.Expires.Unix()))
}

func methodIndex(method string) int {
	switch method {
	case http.MethodGet:
		return 0
	case http.MethodPost:
		return 1
	case http.MethodPut:
		return 2
	case http.MethodPatch:
		return 3
	case http.MethodDelete:
		return 4
	case http.MethodHead:
		return 5
	case http.MethodOptions:
		return 6
	}
	return len(methods) - 1
}

func classIndex(status int) int {
	if status >= 100 && status < 600 {
		return status/100 - 1
	}
	return len(classes) - 1
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	counter prometheus.Counter
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.counter.Add(float64(n))
	return n, err
}

// countedWriter counts the bytes that are written.
type countedWriter struct {
	io.Writer
	counter prometheus.Counter
}

func (c *countedWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.Writer.Write(p)
	c.counter.Add(float64(n))
	return n, err
}
