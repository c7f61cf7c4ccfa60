package nsc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestBrokersAreNotTold: when a credential is revoked while no broker can be
// reached, the scripts say that it still works, what to check, and that a push is
// still to be done.
func TestBrokersAreNotTold(t *testing.T) {
	needNSC(t)
	bin, err := harness.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	p := place(t.TempDir())
	s := newScripts(t, p, "", bin).(*scripts)
	url := "nats://" + freeport.AddressFor(t) // nothing listens there
	s.do(t, "operator", url)
	s.do(t, "tenant", "acme")
	push := "push.sh acme again"
	untold := func(last string, script string, args ...string) string {
		t.Helper()
		out, err := s.run(script, args...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if end := lines[len(lines)-1]; err == nil || !strings.Contains(end, "the brokers have NOT been notified, "+last) || !strings.HasSuffix(end, push) {
			t.Errorf("%s %q: %v\n%swant it to end with %q and %q", script, args, err, out, last, push)
		}
		if !strings.Contains(out, url) {
			t.Errorf("%s %q does not say that it tried %s:\n%s", script, args, url, out)
		}
		return out
	}

	s.do(t, "agent", "acme", "prod")
	first := userOf(t, p.creds("acme", "prod"))
	s.do(t, "agent-rotate", "acme", "prod")
	for range 2 { // a second time it must not say that there is nothing to revoke
		untold("the replaced credentials still work", "agent-retire", "acme", "prod")
	}
	untold("the credential still works", "agent-revoke", "acme", "--user", first)
	second := userOf(t, p.creds("acme", "prod"))
	if out := untold("the credential still works", "agent-revoke", "acme", "prod"); !strings.Contains(out, "does the name resolve") {
		t.Errorf("agent-revoke does not say what to check:\n%s", out)
	}
	if _, err := os.Stat(p.creds("acme", "prod")); !os.IsNotExist(err) {
		t.Errorf("the file of revoked credentials is still there: %v", err)
	}
	if out, err := s.run("agent-revoke", "acme", "prod"); err == nil || !strings.Contains(out, "push.sh acme notifies them") {
		t.Errorf("agent-revoke of what was revoked: %v\n%s", err, out)
	}
	s.do(t, "agent", "acme", "prod")
	if again := userOf(t, p.creds("acme", "prod")); again == second {
		t.Error("agent.sh gave out the revoked user once more")
	}

	for _, args := range [][]string{nil, {"acme"}} {
		want := strings.Join(append([]string{"push.sh"}, args...), " ") + " again"
		out, err := s.run("push", args...)
		if err == nil || !strings.Contains(out, "have NOT been notified") || !strings.HasSuffix(strings.TrimSpace(out), want) {
			t.Errorf("push %q: %v\n%swant it to end with %q", args, err, out, want)
		}
	}
	s.env = append(s.env, "NATS_CA="+filepath.Join(t.TempDir(), "ca.crt"))
	if out := untold("the credential still works", "agent-revoke", "acme", "prod"); !strings.Contains(out, "must be the absolute path") {
		t.Errorf("NATS_CA, which names no file, is not mentioned:\n%s", out)
	}
}
