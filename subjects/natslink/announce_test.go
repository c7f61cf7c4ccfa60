package natslink

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestAnnouncedAgain: on a new connection an instance announces itself thrice in less time
// than one heartbeat takes, the first time and after a reconnect: whoever missed the first
// presence, since its own subscription was as new, need not wait for a heartbeat. After that
// it is quiet.
func TestAnnouncedAgain(t *testing.T) {
	t.Parallel()
	srv := startServer(t, 0)
	defer stopServer(srv)
	nc := dial(t, srv.ClientURL())
	heard := make(chan time.Time, 100)
	listen := func() {
		t.Helper()
		ear := dial(t, srv.ClientURL())
		if _, err := ear.Subscribe(subjects.BridgePresence(), func(*nats.Msg) { heard <- time.Now() }); err != nil {
			t.Fatal(err)
		}
		if err := ear.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	next := func(within time.Duration) time.Time {
		t.Helper()
		select {
		case at := <-heard:
			return at
		case <-time.After(within):
			t.Fatal("no presence")
			return time.Time{}
		}
	}
	thrice := func(when string) {
		t.Helper()
		first := next(4 * subjects.HeartbeatInterval)
		next(2 * subjects.HeartbeatInterval)
		third := next(2 * subjects.HeartbeatInterval)
		if took := third.Sub(first); took >= subjects.HeartbeatInterval {
			t.Errorf("%s: the third presence came %v after the first", when, took)
		}
		if took := next(2 * subjects.HeartbeatInterval).Sub(third); took < 2*settleInterval {
			t.Errorf("%s: the fourth presence came %v after the third", when, took)
		}
	}
	listen()
	a, err := NewAgent(nc, AgentConfig{
		Cluster: "prod", Instance: "a1", Stream: stream.Config{Handler: func(*stream.Stream) {}},
		Presence: func() subjects.Presence { return subjects.Presence{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	thrice("at first")

	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	thrice("after a reconnect")
}
