package broker

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/broker/keys"
)

func push(t *testing.T, l *keys.Layout, node *Broker, accountJWT string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nodes, err := l.Push(ctx, node.ClientURL(), accountJWT)
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// TestAddTenantWhileRunning: a pushed tenant can be used at once, everywhere.
func TestAddTenantWhileRunning(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2)
	accountJWT, err := l.AddTenant("globex")
	if err != nil {
		t.Fatal(err)
	}
	push(t, l, nodes[0], accountJWT)
	agent := mustConnect(t, l, nodes[1].ClientURL(), agentCreds(t, l, "globex", "prod"))
	bridge := mustConnect(t, l, nodes[1].ClientURL(), bridgeCreds(t, l, "globex", "b1"))
	if err := roundTrip(bridge, agent, "b1", "prod", "a1"); err != nil {
		t.Fatal(err)
	}
}

// TestForgedAccount: an account JWT that the operator did not sign, pushed with
// credentials of the system account, is not honoured, on any node.
func TestForgedAccount(t *testing.T) {
	l, forger := newLayout(t), newLayout(t)
	nodes := startCluster(t, l, 2)
	creds := agentCreds(t, l, "acme", "prod")
	live := mustConnect(t, l, nodes[1].ClientURL(), creds)

	// The forgery is acme's account with the forger's keys for the roles.
	acme := mustAccount(t, l, "acme")
	agentKey, err := keys.ReadKey(forger.AgentKeyFile("acme"))
	if err != nil {
		t.Fatal(err)
	}
	agentPublic, _ := agentKey.PublicKey()
	signer, err := keys.ReadKey(forger.KeyFile("operator-signing.nk"))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := keys.TenantClaims("acme", acme, agentPublic, agentPublic).Encode(signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Push(t.Context(), nodes[0].ClientURL(), forged); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("Push sent a forged account: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	system, err := connect(t, l, nodes[0].ClientURL(), systemCreds(t, l, keys.PushUser()))
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	answer, err := system.RequestWithContext(ctx, claimsUpdate, []byte(forged))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("nats-server answers: %s", bytes.TrimSpace(answer.Data))

	forgedUser, err := keys.MintUser(agentKey, acme, "prod", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if _, err := connect(t, l, n.ClientURL(), forgedUser); err == nil {
			t.Errorf("the forger's user connected to %s", n.Name())
		}
	}
	if err := live.Flush(); err != nil {
		t.Errorf("the tenant's agent was cut: %v", err)
	}
	if _, err := connect(t, l, nodes[1].ClientURL(), creds); err != nil {
		t.Errorf("the node that knew the tenant refuses its agent: %v", err)
	}
	// A node that starts now, or looks the tenant up for the first time, has
	// only the forgery and accepts no user: a push of the account's own JWT
	// repairs that.
	good, err := os.ReadFile(l.AccountFile(acme))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Push(ctx, nodes[0].ClientURL(), string(good)); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if _, err := connect(t, l, n.ClientURL(), creds); err != nil {
			t.Errorf("the tenant's agent cannot connect to %s after the account was pushed again: %v", n.Name(), err)
		}
	}
}
