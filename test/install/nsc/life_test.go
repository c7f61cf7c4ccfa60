package nsc

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// cutWithin bounds the time until a revoked agent is cut off.
const cutWithin = 5 * time.Second

// installation is what life works on: tenants acme and globex, each with its own
// cluster named prod. Both clusters are under load.
type installation struct {
	*world
	keeper keeper

	globexAPI              *apiServer
	acmeAgent, globexAgent *node
	brief                  *client // connected with a credential that expires soon
	acme, globex           *load
}

// life is the whole test: it calls the steps below in order.
func life(t *testing.T, newKeeper func(*testing.T, place, string, harness.Binaries) keeper) {
	w := install(t, newKeeper)

	w.attack(t, "acme", "stage")
	w.unharmed(t, "an attack by another cluster of the tenant")

	w.replaceAgentCredential(t)
	w.replaceRole(t)
	w.replaceBridgeKey(t)
	w.shareStore(t)
	w.replaceOperatorKey(t)
	w.revokeOneTenantsAgent(t)
}

// install starts brokers, bridges and agents with the files that the keeper makes.
func install(t *testing.T, newKeeper func(*testing.T, place, string, harness.Binaries) keeper) *installation {
	t.Helper()
	w := &installation{world: newWorld(t)}
	k := newKeeper(t, w.place, w.ca(), w.bin)
	w.keeper = k
	addresses := []string{freeport.AddressFor(t), freeport.AddressFor(t)}

	k.do(t, "operator", "nats://"+addresses[0])
	w.startBrokers(t, addresses)
	k.do(t, "tenant", "acme")
	k.do(t, "tenant", "globex")
	k.do(t, "push")
	k.do(t, "agent", "acme", "prod")
	k.do(t, "agent", "acme", "stage")
	k.do(t, "agent", "acme", "brief", "--expiry", "1m")
	w.brief = w.connect(t, "acme", "brief") // before it expires, however long the rest takes to start
	k.do(t, "agent", "globex", "prod")
	w.checkFiles(t)

	w.startBridges(t, 2)
	acmeAPI := newAPIServer(t, "prod of acme")
	w.globexAPI = newAPIServer(t, "prod of globex")
	w.acmeAgent = w.startAgent(t, "acme", "prod", acmeAPI)
	w.globexAgent = w.startAgent(t, "globex", "prod", w.globexAPI)
	w.acme, w.globex = w.startLoad(t, "acme", "prod", acmeAPI), w.startLoad(t, "globex", "prod", w.globexAPI)
	return w
}

// unharmed fails the test if a request of either tenant has failed.
func (w *installation) unharmed(t *testing.T, during string) {
	t.Helper()
	w.acme.unharmed(t, during)
	w.globex.unharmed(t, during)
}

func (w *installation) replaceAgentCredential(t *testing.T) {
	t.Helper()
	replaced := w.connect(t, "acme", "prod")
	was := userOf(t, w.delivered("acme", "prod"))
	w.keeper.do(t, "agent-rotate", "acme", "prod")
	if replaced.Flush() != nil {
		t.Error("the old credential stopped working before it was revoked")
	}
	w.deliver(t, "acme", "prod")
	if userOf(t, w.delivered("acme", "prod")) == was {
		t.Error("the new credential is the old one")
	}
	w.keeper.do(t, "agent-retire", "acme", "prod")
	w.awaitCut(t, replaced)
	w.waitReady(t, w.acmeAgent)
	w.unharmed(t, "a new credential of an agent")
}

func (w *installation) replaceRole(t *testing.T) {
	t.Helper()
	replaced := w.connect(t, "acme", "stage")
	w.keeper.do(t, "role-rotate", "acme")
	w.keeper.do(t, "push", "acme")
	for _, cluster := range []string{"prod", "stage", "brief"} {
		w.keeper.do(t, "agent-rotate", "acme", cluster)
	}
	w.deliver(t, "acme", "prod")
	w.keeper.do(t, "agent-retire", "acme", "prod")
	w.keeper.do(t, "agent-retire", "acme", "stage")
	w.awaitCut(t, replaced)
	w.unharmed(t, "another key of role agent")
	w.keeper.do(t, "role-retire", "acme")
	// The removal of the role must not cut it off before it expires.
	if err := w.expired(t, w.brief); err != nil {
		t.Error(err)
	}
	w.keeper.do(t, "push", "acme")
	w.waitReady(t, w.acmeAgent)
	w.unharmed(t, "the removal of the old one")
}

func (w *installation) replaceBridgeKey(t *testing.T) {
	t.Helper()
	w.keeper.do(t, "bridge-rotate")
	w.keeper.do(t, "push")
	for i, b := range w.bridges {
		other := w.bridges[1-i]
		w.acme.moveTo(other)
		w.globex.moveTo(other)
		w.restart(t, b)
	}
	w.keeper.do(t, "bridge-retire")
	w.keeper.do(t, "push")
	w.unharmed(t, "another key of the bridges")
}

func (w *installation) replaceOperatorKey(t *testing.T) {
	t.Helper()
	w.keeper.do(t, "operator-key-add")
	w.restartBrokers(t)
	w.unharmed(t, "a restart of brokers, with two signing keys")
	w.keeper.do(t, "operator-key-use")
	w.keeper.do(t, "push")
	w.unharmed(t, "accounts signed by the new key")
	w.keeper.do(t, "operator-key-remove")
	w.restartBrokers(t)
	w.unharmed(t, "a restart of brokers, with the new signing key")
}

// revokeOneTenantsAgent: revoked credentials stay cut off, and the other tenant
// does not notice.
func (w *installation) revokeOneTenantsAgent(t *testing.T) {
	t.Helper()
	w.attack(t, "acme", "stage")
	w.globex.stop()
	w.revoke(t, w.keeper, w.globexAgent)
	w.acme.unharmed(t, "the revocation of another tenant's agent")
	w.keeper.do(t, "agent", "globex", "prod")
	w.deliver(t, "globex", "prod")
	w.waitReady(t, w.globexAgent)
	w.acme.stop()
	if n := w.globexAPI.asks.Load(); n == 0 {
		t.Error("the second cluster was never asked")
	}
}

// checkFiles: only the owner may read the secret files that the keeper wrote.
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

// restartBrokers restarts one broker after another. Each is ready, and its agents
// have moved, before the next one is restarted.
func (w *world) restartBrokers(t *testing.T) {
	t.Helper()
	for _, b := range w.brokers {
		w.restart(t, b)
	}
}

// revoke revokes globex's credential, and measures when its API server answered
// last. A request that was under way when the agent was cut is answered only when
// the bridge presumes the agent dead, so the cluster is known to be offline later.
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
	answered := began
	w.until(t, "the revoked cluster to be offline", func() error {
		r, err := client.Get("https://" + w.bridges[1].address + "/k8s/clusters/prod.globex" + askPath)
		if err != nil {
			return err
		}
		if err := r.Body.Close(); err != nil {
			return err
		}
		if r.StatusCode != http.StatusServiceUnavailable {
			answered = time.Now()
			return fmt.Errorf("its API server answers %s", r.Status)
		}
		if agent.ready(t.Context()) == nil {
			return errors.New("its agent says that it is ready")
		}
		return nil
	})
	offline := time.Now()
	t.Logf("the revoked agent answered for %s after the script began, and was offline %s after it ended", answered.Sub(began), offline.Sub(told))
	if took := answered.Sub(began); took > cutWithin {
		t.Errorf("the revoked agent still answered after %s", took)
	}
	if took := offline.Sub(began); took > cutWithin+subjects.AbsentTimeout {
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
