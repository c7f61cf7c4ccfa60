package serve

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects"
)

// Metrics are the metrics of requests. They are looked up once, here, and not
// for each request.
type Metrics struct {
	requests [len(methods)][len(classes)]prometheus.Counter
	resets   *prometheus.CounterVec
	latency  prometheus.Histogram
	up, down *tally
	answers  atomic.Int64
}

var (
	// methods are the label values of a request's method; the last stands for
	// all others, so that a caller cannot make up time series.
	methods = [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"}
	classes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"}
)

// NewMetrics registers the metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
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
	m.up, m.down = &tally{Counter: bytes.WithLabelValues("up")}, &tally{Counter: bytes.WithLabelValues("down")}
	r.MustRegister(requests, m.resets, m.latency, bytes)
	return m
}

// tally is a counter of bytes that can be read.
type tally struct {
	prometheus.Counter
	n atomic.Int64
}

func (t *tally) Add(n float64) {
	t.n.Add(int64(n))
	t.Counter.Add(n)
}

// Totals are how many requests the API server has answered, and the bytes to it and from
// it.
func (m *Metrics) Totals() (requests, up, down int64) {
	return m.answers.Load(), m.up.n.Load(), m.down.n.Load()
}

func (m *Metrics) answered(method string, status int, d time.Duration) {
	m.answers.Add(1)
	m.requests[methodIndex(method)][classIndex(status)].Inc()
	m.latency.Observe(d.Seconds())
}

func (m *Metrics) reset(code subjects.Code) { m.resets.WithLabelValues(code.Label()).Inc() }

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
