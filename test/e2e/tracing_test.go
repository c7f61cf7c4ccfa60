package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/test/harness"
)

// tracingConfig writes the configuration of the API server's own tracing: it sends
// spans of requests that a caller traces.
func (s *suite) tracingConfig() (file string, err error) {
	file = filepath.Join(s.dir, "tracing.yaml")
	text := fmt.Sprintf("apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: %s\nsamplingRatePerMillion: 0\n", s.collector.GRPC)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// TestTraceEndToEnd: a caller's trace has the bridge, the hop, the agent, its request to
// the API server, and what the API server makes of it, each the child of the one
// before. Nothing of credentials, queries and bodies is in Fairlead's spans.
func TestTraceEndToEnd(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const marker = "MaRkEr"
	c := sp.collector
	// The administrator's, since an API server takes the context of nobody else.
	system := sp.ownSystem(harness.SystemOptions{AgentKubeconfig: sp.kube.Kubeconfig, Env: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_TRACES_SAMPLER=parentbased_always_off",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" + marker,
	}})
	client, err := system.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	secrets := sp.path("/secrets")
	secret := `{"metadata": {"name": "%s"}, "stringData": {"password": "` + marker + `"}}`
	for i, tt := range []struct{ name, path, body string }{
		{"POST /k8s/clusters/{cluster}/{path}", "/k8s/clusters/" + system.Ref() + secrets + "?fieldManager=" + marker, fmt.Sprintf(secret, "one")},
		{"POST /v1/clusters/{cluster}/requests", "/v1/clusters/" + system.Ref() + "/requests",
			`{"method": "POST", "path": "` + secrets + `?fieldManager=` + marker + `", "body": ` + fmt.Sprintf(secret, "two") + `}`},
	} {
		trace := fmt.Sprintf("%032x", 0xbeef+i)
		sp.traced(client, system.URL(tt.path), tt.body, trace)
		child := func(service, kind, parent string) tracingtest.Span {
			return c.Wait(t, tt.name+": "+service+" "+kind, func(s tracingtest.Span) bool {
				return s.Trace == trace && s.Service == service && s.Kind == kind && s.Parent == parent
			})
		}
		server := child("fairlead-bridge", "SERVER", "b7ad6b7169203331")
		hop := child("fairlead-bridge", "CLIENT", server.ID)
		executed := child("fairlead-agent", "SERVER", hop.ID)
		sent := child("fairlead-agent", "CLIENT", executed.ID)
		apiServer := child("apiserver", "SERVER", sent.ID)
		if server.Name != tt.name || server.Attributes["fairlead.resource"] != "secrets" || server.Attributes["fairlead.verb"] != "create" || server.Status != "UNSET" {
			t.Errorf("%+v", server)
		}
		if sent.Attributes["http.response.status_code"] != "201" || !strings.HasSuffix(sent.Attributes["url.full"], secrets) {
			t.Errorf("%+v", sent)
		}
		t.Logf("%s: bridge %v, hop %v, agent %v, API server %v", apiServer.Name, server.Took, hop.Took, executed.Took, apiServer.Took)
	}
	for _, s := range c.Spans() {
		text := fmt.Sprintf("%+v", s)
		if strings.Contains(text, system.Token) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(marker))) ||
			strings.HasPrefix(s.Service, "fairlead-") && strings.Contains(text, marker) {
			t.Errorf("a span has something secret: %s", text)
		}
		if s.Trace[:28] != strings.Repeat("0", 28) {
			t.Errorf("a span of a request that nobody traces: %s", text)
		}
	}
	for _, n := range append(system.Agents, system.Bridge) {
		sp.until("spans to be counted", func(ctx context.Context) error {
			m, err := system.Metrics(ctx, n)
			if err != nil {
				return err
			}
			if m.Sum("fairlead_tracing_spans_exported_total") < 4 || m.Sum("fairlead_tracing_spans_dropped_total") != 0 {
				return fmt.Errorf("exported %g, dropped %g", m.Sum("fairlead_tracing_spans_exported_total"), m.Sum("fairlead_tracing_spans_dropped_total"))
			}
			return nil
		})
	}
	if log := system.Logs(100000); strings.Contains(log, marker) {
		t.Error("a log has the collector's credential, or a body")
	}
}

// traced posts a body with the context of a caller's trace.
func (sp *space) traced(client *http.Client, url, body, trace string) {
	sp.t.Helper()
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	res, err := client.Do(req)
	if err != nil {
		sp.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		sp.t.Fatalf("%s: %s", url, res.Status)
	}
}
