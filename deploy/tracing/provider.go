package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/fairlead-io/fairlead/deploy/tracing/span"
)

const (
	// flushTimeout bounds how long a process that stops waits for its collector: with
	// what the rest takes to stop it fits into the grace period of a pod.
	flushTimeout = 3 * time.Second
	// endTimeout bounds the wait for an export that was cut off after that.
	endTimeout = time.Second
)

// Service is the process that makes spans. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES overrule it.
type Service struct{ Name, Version string }

// Provider exports the spans of a process. Nil is tracing that is off. It is safe for
// concurrent use.
type Provider struct {
	tracer   *span.Tracer
	provider *sdk.TracerProvider
	client   otlptrace.Client
}

// Open returns the provider that the environment asks for, nil if it asks for none. It
// connects to nothing before there are spans. An error names the variable at fault.
func Open(service Service, log *slog.Logger, reg prometheus.Registerer) (*Provider, error) {
	on, err := wanted()
	if err != nil || !on {
		return nil, err
	}
	if err := check(); err != nil {
		return nil, err
	}
	// The SDK's own log would go to the standard error, unstructured, and could show
	// what the environment holds. It has been checked, so that nothing is missed.
	otel.SetLogger(logr.Logger{})
	notice := &notice{log: log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(notice.say))
	about, err := service.resource()
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	client := otlptracehttp.NewClient()
	exporter, err := otlptrace.New(context.Background(), client)
	if err != nil {
		return nil, fmt.Errorf("OTLP exporter: %w", err)
	}
	q := newQueue(queueSize(), exporter, notice)
	provider := sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithSpanProcessor(q))
	p := &Provider{tracer: span.NewTracer(provider, service.Version), provider: provider, client: client}
	if err := q.register(reg); err != nil {
		return nil, errors.Join(fmt.Errorf("register metrics: %w", err), p.Close())
	}
	log.Info("tracing is on", "collector", host(), "sampler", effectiveSampler())
	return p, nil
}

func (s Service) resource() (*resource.Resource, error) {
	instance, err := os.Hostname() // of a pod: its name
	if err != nil {
		instance = "unknown"
	}
	return resource.New(context.Background(),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName(s.Name), semconv.ServiceVersion(s.Version), semconv.ServiceInstanceID(instance)),
		resource.WithFromEnv(), // the last wins
	)
}

// Tracer returns the tracer for all of the process, nil if tracing is off.
func (p *Provider) Tracer() *span.Tracer {
	if p == nil {
		return nil
	}
	return p.tracer
}

// Run, which a nil provider has too, waits until ctx ends, and then exports what waits, for at most some seconds. It
// must be stopped after everything that makes spans.
func (p *Provider) Run(ctx context.Context) error {
	<-ctx.Done()
	return p.Close()
}

// Close exports what waits, for at most some seconds. Spans that end later are lost.
// What a collector did not take is counted and logged, and is no error.
func (p *Provider) Close() error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		// Without ctx's end, so that it returns when the processor has stopped.
		_ = p.provider.Shutdown(context.WithoutCancel(ctx))
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	// An export that hangs ends at once, and those behind it fail.
	_ = p.client.Stop(context.WithoutCancel(ctx))
	select {
	case <-closed:
		return nil
	case <-time.After(endTimeout):
		return fmt.Errorf("the exporter did not stop within %s", flushTimeout+endTimeout)
	}
}
