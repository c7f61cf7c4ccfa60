package agent

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/subjects"
)

// testBroker is a nats-server in operator mode with TLS and one tenant.

// push makes the account's claims known to the server.

// creds writes credentials and returns the file and the user's public key.

// presences collects what agents announce.

// syncBuffer is a log that can be read while it is written.

// runAgent runs an agent until the test ends or stop is called.

// kube is an API server with a version, and with whatever h serves.

// call makes one request to an instance.

func TestAgentServes(t *testing.T) {
	b := newTestBroker(t)
	var hits atomic.Int32
	s := kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	registry := prometheus.NewRegistry()
	cfg := Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s), Version: "v1", Registry: registry}
	a, stop, log := runAgent(t, cfg)
	waitFor(t, "presence says that all is well", func() bool { return seen.find(isUp) != "" })
	waitFor(t, "readiness follows", func() bool { _, ok := brokerCheck(t, a); return ok })
	instance := seen.find(isUp)
	if status, err := call(t, bridge, instance, get("/api")); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	for name, check := range map[string]func(context.Context) (string, error){
		"connected to tls://127.0.0.1": a.BrokerCheck, "Kubernetes v1.34.4": a.APIServerCheck, "": a.LiveCheck,
	} {
		if good, err := check(t.Context()); err != nil || !strings.Contains(good, name) {
			t.Errorf("check: got %q, %v, want %q", good, err, name)
		}
	}
	waitFor(t, "the stream is released", func() bool { return a.streams() == 0 })
	checkMetrics(t, registry, map[string]float64{
		"fairlead_agent_requests_total": 1, "fairlead_agent_broker_connected": 1,
		"fairlead_agent_api_server_reachable": 1, "fairlead_agent_streams": 0, "fairlead_agent_broker_reconnects_total": 0,
	})

	// The broker goes and comes back: nothing has to be restarted.
	b.stop()
	waitFor(t, "the broker is missed", func() bool { _, err := a.BrokerCheck(t.Context()); return err != nil })
	b.start()
	waitFor(t, "a request passes again", func() bool {
		status, _ := call(t, bridge, instance, get("/api"))
		return status == 200
	})
	checkMetrics(t, registry, map[string]float64{"fairlead_agent_broker_reconnects_total": 1})

	// The API server goes: presence and readiness say so.
	s.CloseClientConnections()
	s.Close()
	waitForLong(t, "presence says that the API server is gone", func() bool {
		return seen.find(func(p subjects.Presence) bool { return !p.Reachable }) != ""
	})
	if _, err := a.APIServerCheck(t.Context()); err == nil || !strings.Contains(err.Error(), "connect to API server") {
		t.Errorf("check: got %v", err)
	}
	stop()
	waitFor(t, "the instance says goodbye", func() bool {
		return seen.find(func(p subjects.Presence) bool { return p.State == subjects.PresenceBye }) != ""
	})
	if strings.Contains(log.String(), "eyJ") || strings.Contains(log.String(), "SU") {
		t.Error("a JWT or a seed was logged")
	}
}

// waitForLong is for what takes up to two probes of the API server.

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
	b := newTestBroker(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s := kube(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
	})
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	a, stop, _ := runAgent(t, Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s)})
	waitFor(t, "presence", func() bool { return seen.find(isUp) != "" })
	instance := seen.find(isUp)
	result := make(chan error, 1)
	go func() {
		status, err := call(t, bridge, instance, post("/slow", 0))
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		result <- err
	}()
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(t.Context()) }()
	waitFor(t, "presence says draining", func() bool {
		return seen.find(func(p subjects.Presence) bool { return p.State == subjects.PresenceDraining }) != ""
	})
	if _, err := call(t, bridge, instance, get("/new")); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a new request: got %v, want %v", err, subjects.CodeDraining)
	}
	close(release)
	if err := <-result; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	stop()
}

func TestInstancesShareAndNoneExecutesTwice(t *testing.T) {
	b := newTestBroker(t)
	var hits atomic.Int32
	s := kube(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	cfg := Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s)}
	runAgent(t, cfg)
	runAgent(t, cfg)
	waitFor(t, "two instances", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return len(seen.last) == 2
	})
	seen.mu.Lock()
	instances := make([]string, 0, 2)
	for i := range seen.last {
		instances = append(instances, i)
	}
	seen.mu.Unlock()
	const n = 50
	for i := range n {
		if status, err := call(t, bridge, instances[i%2], post("/once", 0)); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if hits.Load() != n {
		t.Errorf("%d requests executed %d times", n, hits.Load())
	}
}
