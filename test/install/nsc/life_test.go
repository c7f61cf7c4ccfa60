package nsc

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/test/harness"
)

// cutWithin is how soon a revoked agent must be gone.
const cutWithin = 5 * time.Second

// life is the story. Tenants acme and globex each have a cluster prod, which are
// two.
func life(t *testing.T, newKeeper func(*testing.T, place, string, harness.Binaries) keeper) {
	w := newWorld(t)
	k := newKeeper(t, w.place, w.ca(), w.bin)
	addresses := []string{freeAddress(t), freeAddress(t)}

	k.do(t, "operator", "nats://"+addresses[0])
	w.startBrokers(t, addresses)
	k.do(t, "tenant", "acme")
	k.do(t, "tenant", "globex")
	k.do(t, "push")
	k.do(t, "agent", "acme", "prod")
	k.do(t, "agent", "acme", "stage")
	k.do(t, "agent", "acme", "brief", "--expiry", "1m")
	k.do(t, "agent", "globex", "prod")
	w.checkFiles(t)

	w.startBridges(t, 2)
	acmeAPI, globexAPI := newAPIServer(t, "prod of acme"), newAPIServer(t, "prod of globex")
	acmeAgent := w.startAgent(t, "acme", "prod", acmeAPI)
	globexAgent := w.startAgent(t, "globex", "prod", globexAPI)
	brief := w.connect(t, "acme", "brief")
	acme, globex := w.startLoad(t, "acme", "prod", acmeAPI), w.startLoad(t, "globex", "prod", globexAPI)
	unharmed := func(during string) {
		t.Helper()
		acme.unharmed(t, during)
		globex.unharmed(t, during)
	}

	w.attack(t, "acme", "stage")
	unharmed("an attack by another cluster of the tenant")

	// An agent's credential.
	replaced := w.connect(t, "acme", "prod")
	was := userOf(t, w.delivered("acme", "prod"))
	k.do(t, "agent-rotate", "acme", "prod")
	if replaced.Flush() != nil {
		t.Error("the old credential stopped working before it was revoked")
	}
	w.deliver(t, "acme", "prod")
	if userOf(t, w.delivered("acme", "prod")) == was {
		t.Error("the new credential is the old one")
	}
	k.do(t, "agent-retire", "acme", "prod")
	w.awaitCut(t, replaced)
	w.waitReady(t, acmeAgent)
	unharmed("a new credential of an agent")

	// A tenant's role.
	replaced = w.connect(t, "acme", "stage")
	k.do(t, "role-rotate", "acme")
	k.do(t, "push", "acme")
	for _, cluster := range []string{"prod", "stage", "brief"} {
		k.do(t, "agent-rotate", "acme", cluster)
	}
	w.deliver(t, "acme", "prod")
	k.do(t, "agent-retire", "acme", "prod")
	k.do(t, "agent-retire", "acme", "stage")
	w.awaitCut(t, replaced)
	unharmed("another key of role agent")
	k.do(t, "role-retire", "acme")
	// Not to be cut by the removal of the role, before its time is over.
	if err := w.expired(t, brief); err != nil {
		t.Error(err)
	}
	k.do(t, "push", "acme")
	w.waitReady(t, acmeAgent)
	unharmed("the removal of the old one")

	// The bridges' key.
	k.do(t, "bridge-rotate")
	k.do(t, "push")
	for i, b := range w.bridges {
		other := w.bridges[1-i]
		acme.bridge.Store(other)
		globex.bridge.Store(other)
		w.restart(t, b)
	}
	k.do(t, "bridge-retire")
	k.do(t, "push")
	unharmed("another key of the bridges")

	// The operator's signing key.
	k.do(t, "operator-key-add")
	w.restartBrokers(t)
	unharmed("a restart of brokers, with two signing keys")
	k.do(t, "operator-key-use")
	k.do(t, "push")
	unharmed("accounts signed by the new key")
	k.do(t, "operator-key-remove")
	w.restartBrokers(t)
	unharmed("a restart of brokers, with the new signing key")

	// What was cut stays cut, what was not goes on.
	w.attack(t, "acme", "stage")
	globex.stop()
	w.revoke(t, k, globexAgent)
	acme.unharmed(t, "the revocation of another tenant's agent")
	k.do(t, "agent", "globex", "prod")
	w.deliver(t, "globex", "prod")
	w.waitReady(t, globexAgent)
	acme.stop()
	if n := globexAPI.asks.Load(); n == 0 {
		t.Error("the second cluster was never asked")
	}
}

// checkFiles: what the keeper wrote is its owner's alone where it is secret.
func (w *world) checkFiles(t *testing.T) {
	t.Helper()
	for _, file := range []string{w.place.bridgeKey(), w.place.guardCreds(), w.place.creds("acme", "prod")} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", file, info.Mode())
		}
	}
}

// restartBrokers restarts one after another; each is ready, and agents have
// moved, before the next.
func (w *world) restartBrokers(t *testing.T) {
	t.Helper()
	for _, b := range w.brokers {
		w.restart(t, b)
	}
}

// revoke takes back globex's credential and measures until nobody reaches its
// cluster any more.
func (w *world) revoke(t *testing.T, k keeper, agent *node) {
	t.Helper()
	began := time.Now()
	k.do(t, "agent-revoke", "globex", "prod")
	told := time.Now()
	client, err := harness.NewTokenClient(w.ca(), w.token)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	w.until(t, "the revoked cluster to be offline", func() error {
		if agent.ready(t.Context()) == nil {
			return errors.New("its agent says that it is ready")
		}
		r, err := client.Get("https://" + w.bridges[1].address + "/k8s/clusters/prod.globex" + askPath)
		if err != nil {
			return err
		}
		if err := r.Body.Close(); err != nil {
			return err
		}
		if r.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("its API server answers %s", r.Status)
		}
		return nil
	})
	t.Logf("the revoked agent was offline %s after the script began, %s after it ended", time.Since(began), time.Since(told))
	if took := time.Since(began); took > cutWithin {
		t.Errorf("the revoked agent was offline only after %s", took)
	}
}

func userOf(t *testing.T, credsFile string) string {
	t.Helper()
	b, err := os.ReadFile(credsFile)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseDecoratedJWT(b)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}
