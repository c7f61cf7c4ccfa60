package agent

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestWaitsForItsList: an agent whose list cannot be used takes no requests, says why,
// and goes on by itself once it can.
func TestWaitsForItsList(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	file := filepath.Join(t.TempDir(), "allow.yaml")
	agenttest.WriteFile(t, file, "readOnly: true\nsecret: false\n")
	_, seen := b.Bridge()
	a, _, log := runAgent(t, Config{
		Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)), AllowFile: file,
	})
	agenttest.WaitFor(t, "the broker to wait for the list", func() bool {
		text, ok := brokerCheck(t, a)
		return !ok && strings.Contains(text, "waits for an allow-list that it can use")
	})
	const why = `line 2: unknown key "secret"`
	if text, err := a.AllowCheck(t.Context()); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("check: %q, %v", text, err)
	}
	if _, err := a.LiveCheck(t.Context()); err != nil {
		t.Errorf("a restart is asked for, which would not help: %v", err)
	}
	if any := func(subjects.Presence) bool { return true }; seen.Find(any) != "" {
		t.Error("the agent takes requests without a list")
	}
	agenttest.WriteFile(t, file, "readOnly: true\nsecrets: false\n")
	eventually.True(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
	if text, err := a.AllowCheck(t.Context()); err != nil {
		t.Errorf("check: %q, %v", text, err)
	}
	if n := strings.Count(log.String(), "unknown key"); n != 1 {
		t.Errorf("the reason was logged %d times, want once:\n%s", n, log)
	}
}
