package tracing

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// slack is what the SDK's own queue has room for beyond limit: its requests to flush.
const slack = 16

// queue bounds the spans that have ended and are not exported yet, and counts what
// becomes of them. The SDK's batch processor would drop what is too much unseen.
type queue struct {
	sdk.SpanProcessor // a batch processor, which exports to a [sending]
	limit             int64
	waiting           atomic.Int64

	exported, full, failed atomic.Int64
}

func newQueue(limit int, next sdk.SpanExporter, notice *notice) *queue {
	q := &queue{limit: int64(limit)}
	sending := &sending{SpanExporter: next, queue: q, notice: notice}
	q.SpanProcessor = sdk.NewBatchSpanProcessor(sending, sdk.WithMaxQueueSize(limit+slack))
	return q
}

// OnEnd implements [sdk.SpanProcessor]. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.limit {
		q.waiting.Add(-1)
		q.full.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// sending is the exporter as the batch processor sees it. Its errors end here.
type sending struct {
	sdk.SpanExporter
	queue  *queue
	notice *notice
}

// ExportSpans implements [sdk.SpanExporter].
func (e *sending) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	n := int64(len(spans))
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.queue.waiting.Add(-n)
	if err != nil {
		e.queue.failed.Add(n)
		e.notice.say(err)
		return nil
	}
	e.queue.exported.Add(n)
	return nil
}

// register registers the metrics.
func (q *queue) register(r prometheus.Registerer) error {
	const ns = "fairlead_tracing_spans_"
	counter := func(name, help string, labels prometheus.Labels, n *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: ns + name, Help: help, ConstLabels: labels},
			func() float64 { return float64(n.Load()) })
	}
	const dropped = "Spans that no collector has, because too many waited (queue-full), or because sending them failed (export-failed)."
	for _, c := range []prometheus.Collector{
		counter("exported_total", "Spans that the collector has taken.", nil, &q.exported),
		counter("dropped_total", dropped, prometheus.Labels{"reason": "queue-full"}, &q.full),
		counter("dropped_total", dropped, prometheus.Labels{"reason": "export-failed"}, &q.failed),
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}
