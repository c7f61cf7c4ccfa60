package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness"
)

// steered is a cluster whose agents take settings of the platform.
type steered struct {
	sp     *space
	system *harness.System
	client *client.Client
	tunnel side
}

// TestSettingsOfAgents: labels, log level and limits that the platform sets have an effect
// in an agent that runs, and the bridge tells them. They are kept when agent and bridge are
// killed, and an agent that was away gets those of meanwhile. What the owner of a cluster
// has fixed counts instead.
func TestSettingsOfAgents(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{
		Brokers: 1, Store: true, AgentFlags: []string{"--settings-accept", "labels,logLevel,limits", "--labels", "owner=fixed"},
	})
	c := &steered{sp: sp, system: s, client: sp.goClient(s, s.Token), tunnel: sp.sideOf(s, s.Ref())}
	agent := s.Agents[0]
	if c.logs(agent) {
		t.Error("the agent logs requests before it is told to")
	}
	c.put(api.AgentSettings{
		Labels:   map[string]string{"env": "prod", "owner": "platform"},
		LogLevel: &api.AgentLogLevel{Level: "debug"}, Limits: &api.AgentLimits{MaxStreams: 2},
	})
	inUse := func(when string) {
		t.Helper()
		c.has(when, map[string]string{"env": "prod", "owner": "fixed"}, "labels.owner")
		c.takes(2)
		if !c.logs(agent) {
			t.Errorf("%s: the agent does not log its requests at level debug", when)
		}
	}
	inUse("pushed")
	for what, n := range map[string]*harness.Node{"agent": agent, "bridge": s.Bridge} {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		c.restart(n)
		inUse("after the loss of the " + what)
	}

	sp.stopAgent(s)
	c.put(api.AgentSettings{Labels: map[string]string{"env": "stage"}, Limits: &api.AgentLimits{MaxStreams: 3}})
	if got, err := c.client.Settings(t.Context(), s.Ref()); err != nil || got.State != api.SettingsOffline {
		t.Errorf("while the agent is away: %+v, %v", got, err)
	}
	c.restart(agent)
	c.has("after the agent was away", map[string]string{"env": "stage", "owner": "fixed"}, "")
	c.takes(3)
	if c.logs(agent) {
		t.Error("the agent still logs its requests")
	}
	c.fixed()
}

// fixed: of an instance whose owner fixes log level and limit, the platform sets neither.
func (c *steered) fixed() {
	sp, s := c.sp, c.system
	sp.t.Helper()
	if err := s.Agents[0].Stop(stopWithin); err != nil {
		sp.t.Fatal(err)
	}
	owned, err := s.StartAgent(sp.t.Context(), harness.AgentOptions{Flags: []string{"--log-level", "info", "--max-streams", "4"}})
	if err != nil {
		sp.t.Fatal(err)
	}
	c.put(api.AgentSettings{LogLevel: &api.AgentLogLevel{Level: "debug"}, Limits: &api.AgentLimits{MaxStreams: 1}})
	c.has("where the owner has fixed them", map[string]string{"owner": "fixed"}, "limits,logLevel")
	c.takes(4)
	if c.logs(owned) {
		sp.t.Error("the agent logs requests at a level that its owner has fixed")
	}
}

// put sets settings, or replaces them.
func (c *steered) put(settings api.AgentSettings) {
	c.sp.t.Helper()
	if _, err := c.client.PutSettings(c.sp.t.Context(), c.system.Ref(), settings, ""); err != nil {
		c.sp.t.Fatal(err)
	}
}

// has waits until the only instance tells that it uses the settings, but for what is
// overridden, and the cluster has the labels.
func (c *steered) has(when string, labels map[string]string, overridden string) {
	c.sp.t.Helper()
	c.sp.until("settings to be in use "+when, func(ctx context.Context) error {
		got, err := c.client.Settings(ctx, c.system.Ref())
		if err != nil {
			return err
		}
		one, err := c.client.Cluster(ctx, c.system.Ref())
		if err != nil {
			return err
		}
		state := api.SettingsApplied
		if overridden != "" {
			state = api.SettingsPartly
		}
		if len(got.Instances) != 1 || got.State != state || got.Instances[0].Revision != got.Revision ||
			strings.Join(slices.Sorted(slices.Values(got.Instances[0].Overridden)), ",") != overridden || !maps.Equal(one.Labels, labels) {
			return fmt.Errorf("settings %+v, labels %v", got, one.Labels)
		}
		return nil
	})
}

// takes expects that the agent takes so many requests at the same time, and no more.
func (c *steered) takes(most int) {
	c.sp.t.Helper()
	c.sp.until("the agent to have no requests", func(ctx context.Context) error {
		return c.sp.streams(ctx, c.current(), func(n float64) bool { return n == 0 })
	})
	for range most {
		defer openWatch(c.sp.t, c.tunnel, c.sp.path("/configmaps?watch=true")).Body.Close()
	}
	if r := c.sp.refused(c.tunnel); r.status != http.StatusTooManyRequests || r.header.Get("Fairlead-Error") != "overloaded" {
		c.sp.t.Errorf("beside %d requests: %d %s", most, r.status, r.body)
	}
}

// current is the system with the agents that run.
func (c *steered) current() *harness.System {
	s := *c.system
	s.Agents = s.Agents[len(s.Agents)-1:]
	return &s
}

// logs makes a request, and reports whether an agent logs it. Each response is logged before
// the caller has it.
func (c *steered) logs(agent *harness.Node) bool {
	t := c.sp.t
	t.Helper()
	const line = `"msg":"response received"`
	count := func() int {
		text, err := os.ReadFile(agent.Log())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), line)
	}
	before := count()
	c.sp.until("a request to be served", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.tunnel.server+"/version", nil)
		if err != nil {
			return err
		}
		if a := ask(t, c.tunnel, req); a.status != http.StatusOK {
			return errors.New(string(a.body))
		}
		return nil
	})
	return count() > before
}

// restart starts a node that has ended, and waits until the cluster is reached.
func (c *steered) restart(n *harness.Node) {
	c.sp.t.Helper()
	if err := c.system.Restart(c.sp.t.Context(), n); err != nil {
		c.sp.t.Fatal(err)
	}
	if err := c.system.WaitReachable(c.sp.t.Context(), c.system.Ref()); err != nil {
		c.sp.t.Fatal(err)
	}
}
