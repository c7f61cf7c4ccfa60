package store

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Operation is what is done with the store, for its metrics.
type Operation string

// The operations. One that is tried again until its bound counts once.
const (
	LookAtStream  Operation = "stream"         // look at a stream, or create it
	WriteAudit    Operation = "audit"          // a batch of events
	WriteRecord   Operation = "recording"      // a message of a recording
	WriteApproval Operation = "approval-write" // a request or a decision
	ReadApprovals Operation = "approval-read"  // what has changed
	ReadValue     Operation = "value-read"     // of a bucket of package kv: one, all, or what has changed
	WriteValue    Operation = "value-write"    // of a bucket of package kv
	WriteEvent    Operation = "event-write"    // one of the log of events
	ReadEvents    Operation = "event-read"     // what has changed in it, or a page of it
)

type metrics struct {
	connected *prometheus.Desc
	total     *prometheus.CounterVec
	duration  *prometheus.HistogramVec
}

func newMetrics() *metrics {
	const ns = "fairlead_bridge_store_"
	m := &metrics{
		connected: prometheus.NewDesc(ns+"connected", "Whether the bridge has a connection to the shared store on the brokers.", nil, nil),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: ns + "operations_total",
			Help: "Operations on the shared store: ok; unavailable, without a connection or a quorum; failed, where the brokers refuse it, as when a stream is full.",
		}, []string{"operation", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: ns + "operation_duration_seconds", Help: "How long operations on the shared store took, whatever their result.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
	}
	for _, o := range []Operation{LookAtStream, WriteAudit, WriteRecord, WriteApproval, ReadApprovals, ReadValue, WriteValue, WriteEvent, ReadEvents} {
		m.duration.WithLabelValues(string(o))
		for _, result := range []string{"ok", "unavailable", "failed"} {
			m.total.WithLabelValues(string(o), result)
		}
	}
	return m
}

// Observe notes that an operation begins. The result is called with its error, nil if it
// has succeeded.
func (s *Store) Observe(o Operation) func(error) {
	start := time.Now()
	return func(err error) {
		result := "ok"
		if errors.Is(err, context.Canceled) { // the bridge stops, or its caller has gone
			return
		}
		explained := s.Explain(err)
		s.answers.note(start, explained)
		switch {
		case errors.Is(explained, ErrUnavailable):
			result = "unavailable"
		case err != nil:
			result = "failed"
		}
		s.metrics.total.WithLabelValues(string(o), result).Inc()
		s.metrics.duration.WithLabelValues(string(o)).Observe(time.Since(start).Seconds())
	}
}

// Describe implements [prometheus.Collector].
func (s *Store) Describe(to chan<- *prometheus.Desc) {
	to <- s.metrics.connected
	s.metrics.total.Describe(to)
	s.metrics.duration.Describe(to)
}

// Collect implements [prometheus.Collector].
func (s *Store) Collect(to chan<- prometheus.Metric) {
	connected := 0.0
	if s.Err() == nil {
		connected = 1
	}
	to <- prometheus.MustNewConstMetric(s.metrics.connected, prometheus.GaugeValue, connected)
	s.metrics.total.Collect(to)
	s.metrics.duration.Collect(to)
}
