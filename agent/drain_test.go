package agent

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/serve"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// TestDrainDuringTheFirstConnection: a connection that is being taken up while
// the agent begins to drain takes no requests.
func TestDrainDuringTheFirstConnection(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {})
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, err := New(Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
	if err != nil {
		t.Fatal(err)
	}
	if a.up, err = a.loadUpstream(); err != nil {
		t.Fatal(err)
	}
	defer a.up.Close()
	a.handler = serve.NewHandler(a.up, a.guard, a.requests, a.log, nil)
	var confirming sync.Mutex
	presence := a.presence
	a.presence = func() subjects.Presence {
		confirming.Lock()
		defer confirming.Unlock()
		return presence()
	}
	nc := b.Connect(file)
	defer nc.Close()

	before := b.Server.NumSubscriptions()
	confirming.Lock()
	adopted, drained := make(chan error, 1), make(chan error, 1)
	go func() { adopted <- a.adopt(nc, "prod") }()
	agenttest.WaitFor(t, "the link is being made", func() bool { return b.Server.NumSubscriptions() > before })
	go func() { drained <- a.Drain(t.Context()) }()
	agenttest.WaitFor(t, "the agent drains", a.draining.Load)
	confirming.Unlock()
	if err := <-adopted; err == nil {
		defer a.link.Load().Close()
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	any := func(subjects.Presence) bool { return true }
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(any) != "" })
	if _, err := agenttest.Call(t, bridge, seen.Find(any), agenttest.Get("/new")); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a request after the drain: got %v, want %v", err, subjects.CodeDraining)
	}
}
