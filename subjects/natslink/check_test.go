package natslink

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestCheck: the broker says at once which instance of a cluster is gone, without streams
// and though others are there; an instance that is there answers, with streams and without.
func TestCheck(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	const many = 10_000 // callbacks must not wait: as many as there are looks in the bound of a wait
	absent, heard, answers := make(chan string, many), make(chan string, many), make(chan string, many)
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{
		ID: "b1", OnAbsent: func(cluster, instance string) { absent <- cluster + "/" + instance },
		OnAnswer:   func(cluster, instance string) { answers <- cluster + "/" + instance },
		OnPresence: func(_, instance string, _ *subjects.Presence) { heard <- instance },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	killed := dial(t, srv.ClientURL())
	for instance, nc := range map[string]AgentConfig{"a1": {}, "a2": {}} {
		nc.Cluster, nc.Instance, nc.Stream = "prod", instance, stream.Config{Handler: echo}
		nc.Presence = func() subjects.Presence { return subjects.Presence{} }
		conn := killed
		if instance == "a2" {
			conn = dial(t, srv.ClientURL())
		}
		a, err := NewAgent(conn, nc)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
	}
	seen := map[string]bool{}
	for !seen["a1"] || !seen["a2"] {
		seen[<-heard] = true
	}
	check := func() {
		for _, instance := range []string{"a1", "a2"} {
			if err := b.Check("prod", instance); err != nil {
				t.Fatal(err)
			}
		}
	}
	check()
	if err := b.nc.Flush(); err != nil { // what the broker answers comes before
		t.Fatal(err)
	}
	if len(absent) > 0 {
		t.Errorf("%s is said to be absent", <-absent)
	}
	answered := map[string]bool{}
	for !answered["prod/a1"] || !answered["prod/a2"] {
		answered[<-answers] = true
	}
	killed.Close() // without a goodbye
	eventually.True(t, "the broker says that it is gone", func() bool { check(); return len(absent) > 0 })
	for len(absent) > 0 {
		if which := <-absent; which != "prod/a1" {
			t.Errorf("%s is said to be absent, want prod/a1", which)
		}
	}
	if s, err := b.Open(t.Context(), "prod", "a2", []byte("x"), true); err != nil {
		t.Error(err)
	} else {
		for len(answers) > 0 {
			<-answers
		}
		if err := b.Check("prod", "a2"); err != nil {
			t.Fatal(err)
		}
		if got := <-answers; got != "prod/a2" || !b.Heard("prod", "a2", time.Minute) {
			t.Errorf("%s answers, want prod/a2, which is heard", got)
		}
		s.Close()
	}
	if b.Heard("prod", "a1", time.Minute) {
		t.Error("one without streams is heard")
	}
	if n := b.Stats().Malformed; n > 0 {
		t.Errorf("%d frames were malformed", n)
	}
	if err := b.Check("prod", "no.name"); err == nil {
		t.Error("a name that is none was asked about")
	}
}
