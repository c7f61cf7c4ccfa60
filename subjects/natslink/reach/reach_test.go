package reach

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLostServerIsTriedLast: behind it may be a path that takes everything and
// answers nothing.
func TestLostServerIsTriedLast(t *testing.T) {
	b, err := Open(Config{Servers: []string{"tls://a", "tls://b", "tls://c"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := b.Servers()[1]
	firsts := map[*url.URL]bool{}
	for range 200 {
		order := b.Order(lost)
		if order[2] != lost {
			t.Fatalf("order %v, want the second at the end", order)
		}
		firsts[order[0]] = true
	}
	if len(firsts) != 2 {
		t.Errorf("first was always one of %v: all would go to the same server", firsts)
	}
}

// TestInsecureTransport: a server that is not reached by TLS is refused by the flag's
// name, and permitted by the flag.
func TestInsecureTransport(t *testing.T) {
	check := func(server string, insecure bool) ([]*url.URL, error) {
		c := Config{Servers: []string{server}, Transport: transport.Config{Insecure: insecure}}
		return c.Check()
	}
	for _, server := range []string{"ws://broker.example/x", "nats://10.0.0.1:4222"} {
		if _, err := check(server, false); err == nil || !strings.Contains(err.Error(), "--insecure-transport") {
			t.Errorf("%s: %v", server, err)
		}
		if _, err := check(server, true); err != nil {
			t.Errorf("%s with the flag: %v", server, err)
		}
	}
	if _, err := check("http://broker.example", true); err == nil {
		t.Error("http:// is accepted")
	}
}

// TestLimitWithoutATime: the usual back-off, but not its first steps, and no giving up.
func TestLimitWithoutATime(t *testing.T) {
	server := &url.URL{Scheme: "wss", Host: "a"}
	var l Limits
	for range 3 * LimitedAttempts {
		l.Note(server, &dial.Refusal{Status: 429})
	}
	if err := l.Held(server); err != nil {
		t.Errorf("held: %v", err)
	}
	var longest time.Duration
	for range 1000 {
		wait, until := l.Delay([]*url.URL{server}, 1)
		if longest = max(longest, wait); !until.IsZero() {
			t.Fatalf("until %v", until)
		}
	}
	if longest < 2*time.Second || longest > 3201*time.Millisecond {
		t.Errorf("the longest of 1000 pauses is %v, want up to 3.2 s", longest)
	}
	l = Limits{}
	l.Note(server, &dial.Refusal{Status: 503})
	if wait, _ := l.Delay([]*url.URL{server}, 1); wait > 101*time.Millisecond {
		t.Errorf("after a gateway's 503: %v, want the first step of the usual back-off", wait)
	}
}

// TestProxyCAIsFollowed: operators learn when the CA of an https proxy expires, once the
// file can be read.
func TestProxyCAIsFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	b, err := Open(Config{Servers: []string{"tls://a"}, ProxyCAFile: file, Transport: transport.Config{Prefix: "broker-"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Files(); len(got) != 0 {
		t.Errorf("a file that is not there is followed: %v", got)
	}
	testca.Rewrite(t, file, testca.New(t, "proxy"))
	for range 2 {
		got := b.Files()
		if len(got) != 1 || got[0].Name != "broker-proxy-ca" || got[0].Status().Certificates[0].Subject != "proxy" {
			t.Errorf("followed are %v", got)
		}
	}
}
