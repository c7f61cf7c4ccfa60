package path

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// connect connects to a real server, whose only user may use the subject good.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	only := &server.SubjectPermission{Allow: []string{"good"}}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, ServerName: "node-1",
		Users: []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: only, Subscribe: only}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("server not ready within 10 s")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("u", "p"), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // which prints by default
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestNATS: what a connection knows is shown.
func TestNATS(t *testing.T) {
	p := New(&url.URL{Scheme: "tls", Host: "b.example"}, "b", "broker", cause.NATS)
	p.NATS(connect(t))
	c := p.Target.Check(cause.NATS)
	if c.Status != diagnosis.OK || c.Facts["server"] != "node-1" || c.Facts["version"] != server.VERSION || c.Facts["rtt"] == "" {
		t.Errorf("%v, %v", c.Status, c.Facts)
	}
	if want := "nats-server " + server.VERSION + " node-1, round trip "; !strings.HasPrefix(c.Found, want) {
		t.Errorf("found %q, want %q", c.Found, want)
	}
}

// TestUses: a subject that is refused is told from one that is permitted, and from a
// connection that is lost.
func TestUses(t *testing.T) {
	for verb, use := range map[string]func(nc *nats.Conn, subject, shown string) *cause.Failure{"subscribe": Subscribe, "publish": Publish} {
		nc := connect(t)
		if f := use(nc, "good", "the good one"); f != nil {
			t.Errorf("%s: %v", verb, f)
		}
		f := use(nc, "bad", "the bad one")
		if f == nil || f.Hop != cause.Permission || f.Cause != cause.PermissionMissing || f.Tried != verb+" to the bad one" || !strings.Contains(f.Got, `"bad"`) {
			t.Errorf("%s: %v, want a refusal that names the subject", verb, f)
		}
		nc.Close()
		if f = use(nc, "good", "the good one"); f == nil || f.Cause == cause.PermissionMissing {
			t.Errorf("%s on a closed connection: %v", verb, f)
		}
	}
}
