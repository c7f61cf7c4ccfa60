package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/events/feed"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// metrics of the HTTP edge. No label has a value that a caller or a cluster can
// choose freely: unusual methods and unknown codes are "other", unknown statuses "5xx"
// and the like, and no label names a cluster.
type metrics struct {
	requests *prometheus.CounterVec   // method, code, tenant
	duration *prometheus.HistogramVec // method
	failures *prometheus.CounterVec   // error
	aborted  *prometheus.CounterVec   // cause
	bytes    *prometheus.CounterVec   // direction
	inFlight prometheus.Gauge

	received, sent prometheus.Counter
	feed           *feed.Metrics
}

func newMetrics(cfg *Config) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_bridge_requests_total",
			Help: "Requests that have ended, by method, HTTP status and tenant (empty if unknown). Those of clusters that a call of the platform API makes count too.",
		}, []string{"method", "code", "tenant"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fairlead_bridge_request_duration_seconds",
			Help:    "Time from a request's head to its end; watches and upgraded connections count in full.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600},
		}, []string{"method"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_bridge_failures_total",
			Help: "Requests that the bridge answered itself, by error code.",
		}, []string{"error"}),
		aborted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_bridge_aborted_total",
			Help: "Responses that broke after they had begun, by the code that ended the stream, or \"http\" if none did.",
		}, []string{"cause"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_bridge_body_bytes_total",
			Help: "Body bytes received from and sent to clients.",
		}, []string{"direction"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fairlead_bridge_requests_in_flight",
			Help: "Requests and upgraded connections that have not ended.",
		}),
	}
	m.feed = feed.NewMetrics()
	m.received, m.sent = m.bytes.WithLabelValues("received"), m.bytes.WithLabelValues("sent")
	if cfg.Registerer == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.requests, m.duration, m.failures, m.aborted, m.bytes, m.inFlight, tenants{cfg.Tenants}, m.feed}
	if l := cfg.Rules().Limiter; l != nil { // all versions have the same metrics
		all = append(all, l)
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, cfg.Registerer.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) observe(method string, rec *answer.Record, took time.Duration) {
	method = knownMethod(method)
	m.requests.WithLabelValues(method, knownStatus(rec.Status), rec.Tenant).Inc()
	m.duration.WithLabelValues(method).Observe(took.Seconds())
	if rec.Failure != nil {
		m.failures.WithLabelValues(rec.Failure.Kind.Code).Inc()
	} else if rec.Aborted != nil {
		cause := "http"
		if code := subjects.CodeOf(rec.Aborted); code != 0 {
			cause = code.Label()
		}
		m.aborted.WithLabelValues(cause).Inc()
	}
}

// carried counts the bytes of a client's request.
func (m *metrics) carried(rec *answer.Record) {
	m.received.Add(float64(rec.Received))
	m.sent.Add(float64(rec.Sent))
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// knownStatus is a status as a label: those that HTTP or the bridge itself does
// not define share one label for each hundred, since a cluster chooses them.
func knownStatus(status int) string {
	if http.StatusText(status) != "" || status == answer.ClientGone.Status {
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status/100) + "xx"
}

// tenants collects the figures of the connections when metrics are scraped.
type tenants struct{ pool *tenant.Pool }

var (
	connectedDesc = prometheus.NewDesc("fairlead_bridge_connected_clusters",
		"Clusters that take requests, of tenants that the bridge is connected to.", []string{"tenant"}, nil)
	streamsDesc = prometheus.NewDesc("fairlead_bridge_streams",
		"Streams that are open.", []string{"tenant"}, nil)
	resetsDesc = prometheus.NewDesc("fairlead_bridge_streams_reset_by_agent_total",
		"Streams that agents reset, while the tenant's connection is open.", []string{"tenant"}, nil)
	resentDesc = prometheus.NewDesc("fairlead_bridge_frames_resent_total",
		"Frames that were sent again after a loss, while the tenant's connection is open.", []string{"tenant"}, nil)
)

// Describe implements [prometheus.Collector].
func (t tenants) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectedDesc, streamsDesc, resetsDesc, resentDesc} {
		c <- d
	}
}

// Collect implements [prometheus.Collector].
func (t tenants) Collect(c chan<- prometheus.Metric) {
	var all []prometheus.Metric
	t.pool.Each(func(conn *tenant.Conn) {
		st := conn.Stats()
		name := conn.Tenant()
		all = append(all,
			prometheus.MustNewConstMetric(connectedDesc, prometheus.GaugeValue, float64(conn.Directory().Connected()), name),
			prometheus.MustNewConstMetric(streamsDesc, prometheus.GaugeValue, float64(st.Open), name),
			prometheus.MustNewConstMetric(resetsDesc, prometheus.CounterValue, float64(st.ResetByPeer), name),
			prometheus.MustNewConstMetric(resentDesc, prometheus.CounterValue, float64(st.Resent), name))
	})
	for _, m := range all {
		c <- m
	}
}
