package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"

	"github.com/fairlead-io/fairlead/test/harness"
)

// startTracing starts two more installations like that of the tunnel, which send spans
// of one request in a hundred, and of every request, to a collector that drops them. It
// is in this process: what it costs is not the product's.
func (r *Rig) startTracing(ctx context.Context, bin harness.Binaries, kubeconfig string) error {
	r.collector = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
	}))
	for _, t := range []struct{ name, ratio string }{{Traced1, "0.01"}, {Traced100, "1"}} {
		s, err := harness.StartSystem(ctx, harness.SystemOptions{
			Dir: filepath.Join(r.dir, t.name), Binaries: bin, Tenant: tenant, Cluster: cluster, Agents: -1,
			AgentKubeconfig: kubeconfig, BridgeFlags: []string{"--insecure-http"}, Progress: r.options.Progress,
			Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.collector.URL, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=" + t.ratio},
		})
		if err != nil {
			return fmt.Errorf("tracing: %w", err)
		}
		r.traced = append(r.traced, s)
		agent, err := s.StartAgent(ctx, harness.AgentOptions{Name: "agent"})
		if err != nil {
			return fmt.Errorf("tracing: %w", err)
		}
		r.addTunnel(t.name, cluster, s, agent)
	}
	return nil
}
