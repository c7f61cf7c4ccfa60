package agent

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestAgentServes(t *testing.T) {
	b := agenttest.NewBroker(t)
	var hits atomic.Int32
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	registry := prometheus.NewRegistry()
	cfg := Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)), Version: "v1", Registry: registry}
	a, stop, log := runAgent(t, cfg)
	agenttest.WaitFor(t, "presence says that all is well", func() bool { return seen.Find(agenttest.IsUp) != "" })
	agenttest.WaitFor(t, "readiness follows", func() bool { _, ok := brokerCheck(t, a); return ok })
	instance := seen.Find(agenttest.IsUp)
	if status, err := agenttest.Call(t, bridge, instance, agenttest.Get("/api")); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	for name, check := range map[string]func(context.Context) (string, error){
		"connected to tls://127.0.0.1": a.BrokerCheck, "Kubernetes v1.34.4": a.APIServerCheck, "": a.LiveCheck,
	} {
		if good, err := check(t.Context()); err != nil || !strings.Contains(good, name) {
			t.Errorf("check: got %q, %v, want %q", good, err, name)
		}
	}
	agenttest.WaitFor(t, "the stream is released", func() bool { return a.streams() == 0 })
	checkMetrics(t, registry, map[string]float64{
		"fairlead_agent_requests_total": 1, "fairlead_agent_broker_connected": 1,
		"fairlead_agent_api_server_reachable": 1, "fairlead_agent_streams": 0, "fairlead_agent_broker_reconnects_total": 0,
	})

	// The broker goes and comes back: nothing has to be restarted.
	b.Stop()
	agenttest.WaitFor(t, "the broker is missed", func() bool { _, err := a.BrokerCheck(t.Context()); return err != nil })
	b.Start()
	agenttest.WaitFor(t, "a request passes again", func() bool {
		status, _ := agenttest.Call(t, bridge, instance, agenttest.Get("/api"))
		return status == 200
	})
	checkMetrics(t, registry, map[string]float64{"fairlead_agent_broker_reconnects_total": 1})

	// The API server goes: presence and readiness say so.
	s.CloseClientConnections()
	s.Close()
	eventually.True(t, "presence says that the API server is gone", func() bool {
		return seen.Find(func(p subjects.Presence) bool { return !p.Reachable }) != ""
	})
	// A probe that was under way broke off with its connection; the next one makes none.
	eventually.Nil(t, "the check says that nothing is there", func() error {
		if text, err := a.APIServerCheck(t.Context()); err == nil || !strings.Contains(err.Error(), "connect to API server") {
			return fmt.Errorf("%q, %w", text, err)
		}
		return nil
	})
	stop()
	agenttest.WaitFor(t, "the instance says goodbye", func() bool {
		return seen.Find(func(p subjects.Presence) bool { return p.State == subjects.PresenceBye }) != ""
	})
	if strings.Contains(log.String(), "eyJ") || strings.Contains(log.String(), "SU") {
		t.Error("a JWT or a seed was logged")
	}
}

func checkMetrics(t *testing.T, r *prometheus.Registry, want map[string]float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		w, ok := want[f.GetName()]
		if !ok {
			continue
		}
		sum := 0.0
		for _, m := range f.Metric {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		if sum != w {
			t.Errorf("%s is %v, want %v", f.GetName(), sum, w)
		}
		delete(want, f.GetName())
	}
	for name := range want {
		t.Errorf("no metric %s", name)
	}
}

func TestDrainFinishesWhatRuns(t *testing.T) {
	b := agenttest.NewBroker(t)
	arrived, hold := make(chan struct{}, 1), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	s := agenttest.Kube(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-hold
		}
	})
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, stop, _ := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(agenttest.IsUp) != "" })
	instance := seen.Find(agenttest.IsUp)
	result := make(chan error, 1)
	go func() {
		status, err := agenttest.Call(t, bridge, instance, agenttest.Post("/slow", 0))
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		result <- err
	}()
	defer release() // the server waits for its handlers
	agenttest.Within(t, eventually.Bound, "the request to arrive", arrived)
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(t.Context()) }()
	agenttest.WaitFor(t, "presence says draining", func() bool {
		return seen.Find(func(p subjects.Presence) bool { return p.State == subjects.PresenceDraining }) != ""
	})
	if _, err := agenttest.Call(t, bridge, instance, agenttest.Get("/new")); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a new request: got %v, want %v", err, subjects.CodeDraining)
	}
	release()
	if err := <-result; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	stop()
}

func TestInstancesShareAndNoneExecutesTwice(t *testing.T) {
	b := agenttest.NewBroker(t)
	var hits atomic.Int32
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	cfg := Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))}
	runAgent(t, cfg)
	runAgent(t, cfg)
	agenttest.WaitFor(t, "two instances", func() bool { return len(seen.Instances()) == 2 })
	instances := seen.Instances()
	const n = 50
	for i := range n {
		if status, err := agenttest.Call(t, bridge, instances[i%2], agenttest.Post("/once", 0)); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if hits.Load() != n {
		t.Errorf("%d requests executed %d times", n, hits.Load())
	}
}
