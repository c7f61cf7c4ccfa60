package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// nscWrote is what nsc itself wrote: see the README.md there.
var nscWrote = filepath.Join("testdata", "nsc")

func TestCheckNSCStore(t *testing.T) {
	report, err := CheckNSCStore(filepath.Join(nscWrote, "store"))
	if err != nil || len(report.Findings) > 0 || report.Accounts != 3 || report.Users < 3 {
		t.Fatalf("check: %+v, %v", report, err)
	}
	report, err = CheckNSCStore(filepath.Join(nscWrote, "careless"))
	if err != nil {
		t.Fatal(err)
	}
	findings := report.Findings
	wants := []struct{ where, what string }{
		{"nodeny.jwt", "does not deny everything by default"},
		{"unscoped.jwt", "is not scoped"},
		{"unscoped.jwt", "allows bearer tokens"}, // nsc took it back when the key was added
		{"wide.jwt", `a user named "*" can hear`},
		{"Prod.jwt", "not a DNS label"},
		{"agitated_chebyshev.jwt", "not a DNS label"}, // nsc made it of '*'
		{"prod.eu.jwt", "not a DNS label"},
		{"stage.jwt", "not signed by a key of role agent"},
	}
	for _, want := range wants {
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.Where, want.where) && strings.Contains(f.What, want.what)
		}
		if !found {
			t.Errorf("nothing found with %q in %s", want.what, want.where)
		}
	}
	if len(findings) != len(wants) {
		t.Errorf("found %d things, want %d: %v", len(findings), len(wants), findings)
	}
}

func TestCheckNSCStoreIncomplete(t *testing.T) {
	for _, dir := range []string{t.TempDir(), nscWrote, filepath.Join(t.TempDir(), "none")} {
		if _, err := CheckNSCStore(dir); err == nil || !strings.Contains(err.Error(), "not an operator's folder") {
			t.Errorf("%s: error %v", dir, err)
		}
	}
	store := t.TempDir()
	if err := os.CopyFS(store, os.DirFS(filepath.Join(nscWrote, "store"))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(store, "accounts", "acme", "users", "stage.jwt"), "x")
	write(t, filepath.Join(store, "accounts", "acme", "acme.jwt"), "x")
	report, err := CheckNSCStore(store)
	if err != nil || len(report.Findings) != 2 {
		t.Errorf("an account and a user that cannot be read: %v, %v", report, err)
	}
	remove(t, filepath.Join(store, "accounts", "SYS", "SYS.jwt"))
	report, err = CheckNSCStore(store)
	if err != nil || len(report.Findings) == 0 || !strings.Contains(report.Findings[0].Where, "system account") {
		t.Errorf("no system account: %v, %v", report, err)
	}
}

// TestNSCWrote: a broker runs on what nsc wrote, and its agents are confined.
func TestNSCWrote(t *testing.T) {
	l := newLayout(t) // for its certificates
	pushed := t.TempDir()
	accounts := map[string]string{}
	for _, name := range []string{"acme", "globex"} {
		claims, err := keys.ReadAccount(filepath.Join(nscWrote, "store", "accounts", name, name+".jwt"))
		if err != nil {
			t.Fatal(err)
		}
		accounts[name] = claims.Subject
		token, err := keys.ReadToken(filepath.Join(nscWrote, "store", "accounts", name, name+".jwt"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(pushed, claims.Subject+".jwt"), token)
	}
	cfg := Config{
		NATSConfig: filepath.Join(nscWrote, "resolver.conf"), ResolverDir: pushed,
		GuardCreds: filepath.Join(nscWrote, "guard.creds"),
		TLSCert:    l.ServerCertFile(), TLSKey: l.ServerKeyFile(),
		Listen: "127.0.0.1:0", WebsocketListen: Off, Logger: testLog(t),
	}
	if report, err := Check(cfg); err != nil || len(report.Findings) > 0 {
		t.Fatalf("check: %v, %v", report, err)
	}
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)

	w := &world{l: l, nodes: []*Broker{b}}
	kept := func(file string) []byte {
		creds, err := os.ReadFile(filepath.Join(nscWrote, file))
		if err != nil {
			t.Fatal(err)
		}
		return creds
	}
	signer, err := keys.ReadKey(filepath.Join(nscWrote, "bridge.nk"))
	if err != nil {
		t.Fatal(err)
	}
	bridgeOf := func(tenant string) *ear {
		creds, err := keys.MintUser(signer, accounts[tenant], "b1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return w.mustListen(t, b, creds)
	}
	agent, bridge := w.mustListen(t, b, kept("prod.acme.creds")), bridgeOf("acme")
	namesake := w.mustListen(t, b, kept("prod.globex.creds"), subjects.AgentFrames("prod", "a1"))
	if err := roundTrip(bridge.Conn, agent.Conn, "b1", "prod", "a1"); err != nil {
		t.Fatal(err)
	}

	if _, err := bridge.Subscribe(subjects.BridgeFrames("b1"), bridge.note); err != nil {
		t.Fatal(err)
	}
	if err := bridge.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{">", subjects.AgentFrames("stage", "a1"), subjects.BridgeFrames("b1")} {
		if _, err := agent.Subscribe(s, agent.note); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{subjects.Up("b1", "stage", "a1"), subjects.Down("prod", "a1", "b1")} {
		if err := agent.Publish(s, []byte("forged")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the refusal of everything that is not the agent's", func() error {
		if n := len(agent.refused()); n != 5 {
			return fmt.Errorf("%d refusals: %q", n, agent.refused())
		}
		return nil
	})
	if err := roundTrip(bridge.Conn, agent.Conn, "b1", "prod", "a1"); err != nil {
		t.Fatalf("after the refusals: %v", err)
	}
	for _, m := range bridge.take() {
		if string(m.Data) == "forged" {
			t.Errorf("the bridge heard what an agent forged: %s", m.Subject)
		}
	}
	if err := namesake.Flush(); err != nil {
		t.Fatal(err)
	}
	if heard := namesake.take(); len(heard) > 0 {
		t.Errorf("the cluster of the same name of another tenant heard %s", heard[0].Subject)
	}
}
