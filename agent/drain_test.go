package agent

import (
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestDrainDuringTheFirstConnection: a connection that is being taken up while
// the agent begins to drain takes no requests.
func TestDrainDuringTheFirstConnection(t *testing.T) {
	b := newTestBroker(t)
	s := kube(t, func(http.ResponseWriter, *http.Request) {})
	file, _ := b.creds(b.agents, "prod", time.Time{})
	bridge, seen := b.bridge()
	a, err := New(Config{Servers: []string{b.url()}, CredsFile: file, CAFile: b.caFile, Kube: configFor(s)})
	if err != nil {
		t.Fatal(err)
	}
	if a.prober.up, err = a.loadUpstream(); err != nil {
		t.Fatal(err)
	}
	defer a.prober.up.Close()
	a.handler = NewHandler(a.prober.up, a.metrics, a.log)
	creds, _, err := a.conn.file.read()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := a.conn.connect(t.Context(), creds)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	before := b.server.NumSubscriptions()
	a.prober.mu.Lock() // which presence needs, so that the link is not confirmed yet
	adopted, drained := make(chan error, 1), make(chan error, 1)
	go func() { adopted <- a.adopt(conn.Conn, creds) }()
	waitFor(t, "the link is being made", func() bool { return b.server.NumSubscriptions() > before })
	go func() { drained <- a.Drain(t.Context()) }()
	waitFor(t, "the agent drains", a.draining.Load)
	a.prober.mu.Unlock()
	if err := <-adopted; err == nil {
		defer a.link.Load().Close()
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	any := func(subjects.Presence) bool { return true }
	waitFor(t, "presence", func() bool { return seen.find(any) != "" })
	if _, err := call(t, bridge, seen.find(any), get("/new")); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a request after the drain: got %v, want %v", err, subjects.CodeDraining)
	}
}
