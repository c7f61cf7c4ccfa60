package agent

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestReadinessKnowsARefusedCredential: requests that are refused make the agent
// unready, also where /readyz is open to everybody.
func TestReadinessKnowsARefusedCredential(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { agenttest.Unauthorized(t, w, "application/json") })
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: file, CAFile: b.CAFile, LoadKube: loads(agenttest.ConfigFor(s))})
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
