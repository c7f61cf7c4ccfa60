package doctor_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent"
	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestRunningAgentIsNotDisturbed: while doctors look again and again, requests are
// answered by the agent, which stays connected, and bridges hear of no other instance.
func TestRunningAgentIsNotDisturbed(t *testing.T) {
	b := agenttest.NewBroker(t)
	bridge, presences := b.Bridge()
	cfg := config(t, b)
	kube := agenttest.ConfigFor(agenttest.Kube(t, reviewed(t, all).Config.Handler.ServeHTTP))
	a, err := agent.New(agent.Config{
		Servers: cfg.Link.Servers, CredsFile: cfg.Link.CredsFile, Transport: cfg.Link.Transport,
		LoadKube: func() (*rest.Config, error) { return kube, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	defer wg.Wait()
	defer stop()
	agenttest.WaitFor(t, "presence of the agent", func() bool { return presences.Find(agenttest.IsUp) != "" })
	instance := presences.Find(agenttest.IsUp)

	var looked sync.WaitGroup
	done := make(chan struct{})
	looked.Go(func() {
		defer close(done)
		for range 5 {
			if r := examine(t, cfg); !r.OK {
				t.Errorf("exit code %d", r.ExitCode)
			}
		}
	})
	for calls, running := 0, true; running || calls < 10; calls++ {
		if status, err := agenttest.Call(t, bridge, instance, agenttest.Get("/version")); err != nil || status != 200 {
			t.Errorf("call %d: %d, %v", calls, status, err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	looked.Wait()
	// Presence is sent on the same path as these frames, so all of it has arrived.
	if all := presences.Instances(); len(all) != 1 || all[0] != instance {
		t.Errorf("instances %v, want only %s", all, instance)
	}
	if _, err := a.BrokerCheck(t.Context()); err != nil {
		t.Errorf("the agent's connection: %v", err)
	}
	agenttest.WaitFor(t, "end of the doctors' connections", func() bool { return b.Server.NumClients() == 2 })
}

// TestStops: the time-out ends a look at a server that says nothing, which is told as that.
func TestStops(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	cfg.Timeout = 300 * time.Millisecond
	silent := agenttest.RawServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	cfg.Link.Servers = []string{"tls" + strings.TrimPrefix(silent, "http")}
	began := time.Now()
	r := examine(t, cfg)
	if took := time.Since(began); r.OK || took > 5*time.Second {
		t.Errorf("exit code %d after %v", r.ExitCode, took)
	}
	if c := r.Targets[0].Failed(); c == nil || c.Failure.Cause != cause.NotNATS {
		t.Errorf("got %+v, want what a silent server is", c)
	}
}
