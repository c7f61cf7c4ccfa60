package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// nscWrote is what nsc itself wrote: see the README.md there.
var nscWrote = filepath.Join("testdata", "nsc")

// nscWorld is a broker that runs on what nsc wrote.
type nscWorld struct {
	*world
	broker   *Broker
	accounts map[string]string // a tenant's public key by its name
}

// newNSCWorld starts the broker and ends it with the test.
func newNSCWorld(t *testing.T) nscWorld {
	t.Helper()
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
	return nscWorld{&world{l: l, nodes: []*Broker{b}}, b, accounts}
}

// agent connects with a credentials file that nsc wrote.
func (w nscWorld) agent(t *testing.T, file string, subscribe ...string) *ear {
	t.Helper()
	creds, err := os.ReadFile(filepath.Join(nscWrote, file))
	if err != nil {
		t.Fatal(err)
	}
	return w.mustListen(t, w.broker, creds, subscribe...)
}

// bridge connects a bridge to a tenant's account, with the key that nsc wrote.
func (w nscWorld) bridge(t *testing.T, tenant string) *ear {
	t.Helper()
	signer, err := keys.ReadKey(filepath.Join(nscWrote, "bridge.nk"))
	if err != nil {
		t.Fatal(err)
	}
	creds, err := keys.MintUser(signer, w.accounts[tenant], "b1", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return w.mustListen(t, w.broker, creds)
}

// TestNSCWrote: a broker runs on what nsc wrote, and its agents are confined.
func TestNSCWrote(t *testing.T) {
	w := newNSCWorld(t)
	agent, bridge := w.agent(t, "prod.acme.creds"), w.bridge(t, "acme")
	namesake := w.agent(t, "prod.globex.creds", subjects.AgentFrames("prod", "a1"))
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
	eventually.Nil(t, "the refusal of everything that is not the agent's", func() error {
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
