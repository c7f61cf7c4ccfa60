package agent

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestReadinessKnowsARefusedCredential: requests that are refused make the agent
// unready, also where /readyz is open to everybody.
func TestReadinessKnowsARefusedCredential(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { agenttest.Unauthorized(t, w, "application/json") })
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
	agenttest.WaitFor(t, "presence says that all is well", func() bool { return seen.Find(agenttest.IsUp) != "" })
	instance := seen.Find(agenttest.IsUp)
	for range 5 {
		if _, err := agenttest.Call(t, bridge, instance, agenttest.Get("/api/v1/pods")); subjects.CodeOf(err) != subjects.CodeUnauthorized {
			t.Fatalf("got %v, want %v", err, subjects.CodeUnauthorized)
		}
	}
	agenttest.WaitFor(t, "readiness says so", func() bool {
		_, err := a.APIServerCheck(t.Context())
		return err != nil && strings.Contains(err.Error(), "does not accept the agent's credentials")
	})
	agenttest.WaitFor(t, "presence follows", func() bool { return seen.Find(func(p subjects.Presence) bool { return !p.Reachable }) != "" })
	if n := strings.Count(log.String(), "does not accept the agent's credentials"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}

// TestPresenceTellsTheLastCause: first why the API server is not reachable and then, once
// it is, why the broker was not.
func TestPresenceTellsTheLastCause(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg, _, _ := working(t, b)
	status := http.StatusServiceUnavailable
	var mu sync.Mutex
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"gitVersion":"v1.34.4"}`)
	})
	cfg.LoadKube = loads(agenttest.ConfigFor(s))
	registry := prometheus.NewRegistry()
	cfg.Registry = registry
	b.Stop()
	a, _, _ := runAgent(t, cfg)
	waitBroker(t, a, "the reason", func(err error) bool { return err != nil && strings.Contains(err.Error(), "[connection-refused]") })
	b.Start()
	_, seen := b.Bridge()
	told := func(hop, cause string, reachable bool) func() bool {
		return func() bool {
			return seen.Find(func(p subjects.Presence) bool {
				return p.LastCause != nil && p.LastCause.Hop == hop && p.LastCause.Cause == cause && p.Reachable == reachable && !p.LastCause.At.IsZero()
			}) != ""
		}
	}
	eventually.True(t, "the API server's cause", told("kubernetes", "api-server-not-ready", false))
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	eventually.True(t, "the broker's cause", told("tcp", "connection-refused", true))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, f := range families {
		if f.GetName() == "fairlead_agent_connection_failures_total" {
			counted = len(f.GetMetric())
		}
	}
	if counted < 2 {
		t.Errorf("%d series of failures, want those of broker and API server", counted)
	}
}
