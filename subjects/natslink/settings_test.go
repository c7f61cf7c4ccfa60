package natslink

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestSettings: all instances of a cluster get what a bridge sends with a query, those of
// other clusters get nothing, and one that knows of no settings announces itself.
func TestSettings(t *testing.T) {
	t.Parallel()
	srv := startServer(t, 0)
	defer stopServer(srv)
	heard := make(chan string, 100)
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{ID: "b1", OnPresence: func(_, instance string, _ *subjects.Presence) { heard <- instance }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	for instance, cluster := range map[string]string{"a1": "prod", "a2": "prod", "a3": "other", "older": "prod"} {
		cfg := AgentConfig{
			Cluster: cluster, Instance: instance, Stream: stream.Config{Handler: echo}, Presence: func() subjects.Presence { return subjects.Presence{} },
			Settings: func(message []byte) { got <- instance + " " + string(message) },
		}
		if instance == "older" {
			cfg.Settings = nil
		}
		a, err := NewAgent(dial(t, srv.ClientURL()), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if err := a.nc.Load().Flush(); err != nil {
			t.Fatal(err)
		}
	}
	next := func(from chan string) string {
		t.Helper()
		select {
		case s := <-from:
			return s
		case <-time.After(5 * time.Second):
			t.Fatal("nothing arrives")
			return ""
		}
	}
	// They announce themselves at once, after one second and after another, and then only
	// with the heartbeat, five seconds later.
	announced := map[string]bool{}
	for quiet := false; !quiet; {
		select {
		case instance := <-heard:
			announced[instance] = true
		case <-time.After(2 * settleInterval):
			quiet = true
		}
	}
	if len(announced) != 4 {
		t.Fatalf("%v announce themselves", announced)
	}
	if err := b.SendSettings("prod", []byte("{1}")); err != nil {
		t.Fatal(err)
	}
	all := []string{next(got), next(got)}
	if slices.Sort(all); !slices.Equal(all, []string{"a1 {1}", "a2 {1}"}) {
		t.Errorf("got %q", all)
	}
	if who := next(heard); who != "older" {
		t.Errorf("%s announces itself", who)
	}
	if err := b.SendSettings("pr*d", nil); err == nil {
		t.Error("settings are sent to a pattern")
	}
	if len(got) > 0 {
		t.Errorf("and %s", <-got)
	}
}
