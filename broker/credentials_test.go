package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

func TestBadCredentials(t *testing.T) {
	l := newLayout(t)
	if _, err := l.AddTenant("globex"); err != nil {
		t.Fatal(err)
	}
	other := newLayout(t)
	nodes := startCluster(t, l, 2)
	acme := mustAccount(t, l, "acme")
	globex := mustAccount(t, l, "globex")
	foreignAccount := mustAccount(t, other, "acme")
	signedBy := func(keyFile, account string, expires time.Time) []byte {
		signer, err := keys.ReadKey(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		creds, err := keys.MintUser(signer, account, "prod", expires)
		if err != nil {
			t.Fatal(err)
		}
		return creds
	}
	var never time.Time
	agentKey := l.AgentKeyFile("acme")
	for _, c := range []struct {
		name  string
		creds []byte
	}{
		{"expired", signedBy(agentKey, acme, time.Now().Add(-time.Second))},
		{"signed by another tenant's key", signedBy(agentKey, globex, never)},
		{"signed by a key that no account lists", signedBy(other.AgentKeyFile("acme"), acme, never)},
		{"signed by the account's identity, which may mint unrestricted users elsewhere", signedBy(l.KeyFile("tenants", "acme", "account.nk"), acme, never)},
		{"of an account of another operator", signedBy(other.AgentKeyFile("acme"), foreignAccount, never)},
		{"of the system account, signed by a tenant", signedBy(agentKey, mustOperator(t, l).SystemAccount, never)},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := connect(t, l, nodes[1].ClientURL(), c.creds)
			if err == nil {
				t.Fatal("connected")
			}
			t.Logf("after %s: %v", time.Since(start), err)
			if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthExpired) {
				t.Errorf("the client gets %q", err)
			}
		})
	}
	t.Run("an agent in process", func(t *testing.T) {
		nc, err := nats.Connect("", nats.InProcessServer(natslink.InProcess(nodes[0])), nats.UserCredentialBytes(signedBy(agentKey, acme, never)))
		if err == nil {
			nc.Close()
			t.Error("an agent may connect by TLS and WebSocket only")
		}
	})
	t.Run("a bridge by WebSocket", func(t *testing.T) {
		nc, err := connect(t, l, nodes[0].WebsocketURL(), bridgeCreds(t, l, "acme", "b1"))
		if err != nil {
			t.Fatalf("a bridge may connect in process, by TLS and by WebSocket: %v", err)
		}
		nc.Close()
	})
}

func TestCredentialsExpireWhileConnected(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, nil)
	creds, err := l.MintAgent("acme", "prod", time.Now().Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	nc := mustConnect(t, l, b.ClientURL(), creds)
	awaitCut(t, nc)
}
