package natslink

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestQueryOfNobody: NATS's word that no instance of a cluster is there comes
// at once, and only then; what an agent makes of it, rows N3 and N6 of
// PROTOCOL.md, is nothing.
func TestQueryOfNobody(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	absent, heard := make(chan [2]string, 10), make(chan string, 10)
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{
		ID:         "b1",
		OnPresence: func(_, instance string, _ *subjects.Presence) { heard <- instance },
		OnAbsent:   func(cluster, instance string) { absent <- [2]string{cluster, instance} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	asked := func() {
		t.Helper()
		if err := b.Query("prod"); err != nil {
			t.Fatal(err)
		}
	}
	nobody := func() {
		t.Helper()
		select {
		case got := <-absent:
			if got != [2]string{"prod", ""} {
				t.Errorf("absent is %q, want the cluster prod as a whole", got)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the absence of all instances is not reported")
		}
	}
	somebody := func() {
		t.Helper()
		select {
		case <-heard:
		case got := <-absent:
			t.Fatalf("%q is said to be absent", got)
		case <-time.After(5 * time.Second):
			t.Fatal("no presence")
		}
	}

	asked()
	nobody()
	nc := dial(t, srv.ClientURL())
	a, err := NewAgent(nc, AgentConfig{
		Cluster: "prod", Instance: "a1", Stream: stream.Config{Handler: echo}, Presence: func() subjects.Presence { return subjects.Presence{Version: "test"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	somebody() // it announces itself
	asked()
	somebody()

	forged := &nats.Msg{Subject: subjects.NoResponders("b1", "prod", "", 0), Data: []byte("x"), Header: nats.Header{"Status": {"503"}}}
	if err := nc.PublishMsg(forged); err != nil {
		t.Fatal(err)
	}
	asked()
	somebody()

	nc.Close() // as when the broker cuts it: no goodbye
	eventually.True(t, "the end of the closed connection at the broker", func() bool { return srv.NumClients() <= 1 })
	asked()
	nobody()
}
