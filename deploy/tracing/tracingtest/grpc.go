package tracingtest

import (
	"context"
	"net"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// serveGRPC takes spans by gRPC too, as Kubernetes sends them.
func (c *Collector) serveGRPC() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.GRPC, c.grpc = l.Addr().String(), grpc.NewServer()
	collector.RegisterTraceServiceServer(c.grpc, service{c: c})
	go func() { _ = c.grpc.Serve(l) }() // until Stop, which waits for it
	return nil
}

type service struct {
	collector.UnimplementedTraceServiceServer
	c *Collector
}

// Export implements the collector's service.
func (s service) Export(_ context.Context, got *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.c.add(got)
	return &collector.ExportTraceServiceResponse{}, nil
}
