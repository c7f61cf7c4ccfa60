package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
)

// cutWithin is how soon a revoked user's connection must be gone.
const cutWithin = 5 * time.Second

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

func TestRevoke(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 3)
	creds := agentCreds(t, l, "acme", "prod")
	var victims []*nats.Conn
	for _, n := range nodes {
		victims = append(victims, mustConnect(t, l, n.ClientURL(), creds))
	}
	victims = append(victims, mustConnect(t, l, nodes[1].WebsocketURL(), creds))
	other := mustConnect(t, l, nodes[2].ClientURL(), agentCreds(t, l, "acme", "stage"))
	renewed := mustConnect(t, l, nodes[2].ClientURL(), agentCreds(t, l, "acme", "prod"))

	start := time.Now()
	accountJWT, err := l.RevokeUser("acme", userOf(t, creds))
	if err != nil {
		t.Fatal(err)
	}
	pushed := make(chan []string, 1)
	go func() { pushed <- push(t, l, nodes[0], accountJWT) }()
	for i, v := range victims {
		awaitCut(t, v)
		took := time.Since(start)
		t.Logf("connection %d cut %s after the revocation", i, took)
		if took > cutWithin {
			t.Errorf("connection %d was cut after %s", i, took)
		}
	}
	stored := <-pushed
	slices.Sort(stored)
	if want := []string{"node-0", "node-1", "node-2"}; !slices.Equal(stored, want) {
		t.Errorf("stored by %v, want %v", stored, want)
	}
	for _, n := range nodes {
		if _, err := connect(t, l, n.ClientURL(), creds); err == nil {
			t.Errorf("the revoked user connected to %s", n.Name())
		}
	}
	for _, nc := range []*nats.Conn{other, renewed} {
		if err := nc.Flush(); err != nil {
			t.Errorf("another user of the tenant was cut: %v", err)
		}
	}
}

// TestRevokeWhileAway: a node that was down during the push comes to know of
// it by itself.
func TestRevokeWhileAway(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2)
	creds := agentCreds(t, l, "acme", "prod")
	dir := filepath.Join(t.TempDir(), "jwt")
	start := func() *Broker {
		return startNode(t, l, func(c *Config) {
			c.Name = "away"
			c.ResolverDir = dir
			c.RoutesListen = "127.0.0.1:0"
			c.Routes = []string{"tls://" + nodes[0].RoutesAddr(), "tls://" + nodes[1].RoutesAddr()}
		})
	}
	away := start()
	mustConnect(t, l, away.ClientURL(), creds).Close()
	away.Shutdown()

	accountJWT, err := l.RevokeUser("acme", userOf(t, creds))
	if err != nil {
		t.Fatal(err)
	}
	push(t, l, nodes[0], accountJWT)
	// Taken from the directory that nodes start with, the revocation would be
	// known at once.
	remove(t, l.AccountFile(mustAccount(t, l, "acme")))
	back := time.Now()
	away = start()
	eventually(t, "the node to refuse the revoked user", func() error {
		nc, err := connect(t, l, away.ClientURL(), creds)
		if err == nil {
			nc.Close()
			return errors.New("it connected")
		}
		return nil
	})
	took := time.Since(back)
	t.Logf("refused %s after the node was back", took)
	if took > cutWithin {
		t.Errorf("the node let the revoked user in for %s", took)
	}
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
	// only the forgery and lets nobody in: the account's own JWT mends that.
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

// TestPushUserIsConfined: the users of the system account that this package
// makes can do their one thing.
func TestSystemUsersAreConfined(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, nil)
	pusher, err := connect(t, l, b.ClientURL(), systemCreds(t, l, keys.PushUser()))
	if err != nil {
		t.Fatal(err)
	}
	defer pusher.Close()
	guard, err := nats.Connect(b.ClientURL(), nats.UserCredentials(l.GuardCredsFile()), nats.RootCAs(l.CAFile()), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	for name, nc := range map[string]*nats.Conn{"push": pusher, "guard": guard} {
		nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		if _, err := nc.SubscribeSync("$SYS.ACCOUNT.>"); err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish("$SYS.REQ.SERVER."+b.server.ID()+".RELOAD", nil); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a refusal", func() error {
			if err := nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
				return fmt.Errorf("%s: last error %v", name, err)
			}
			return nil
		})
	}
}

// TestGuard gives a tenant the roles that nsc makes when nobody thinks of
// names, while the broker runs: the user named "*" could hear everybody.
func TestGuard(t *testing.T) {
	l := newLayout(t)
	nodes := startCluster(t, l, 2)
	accountJWT := carelessAccount(t, l)
	push(t, l, nodes[0], accountJWT)
	for _, name := range []string{"*", "prod.a1", "Prod", "", strings.Repeat("x", 64)} {
		for _, url := range []string{nodes[0].ClientURL(), nodes[1].WebsocketURL()} {
			start := time.Now()
			nc, err := connect(t, l, url, credsNamed(t, l, "acme", name))
			if err != nil {
				t.Logf("%q: cannot connect: %v", name, err)
				continue
			}
			awaitCut(t, nc)
			t.Logf("%q: cut after %s", name, time.Since(start))
		}
	}
	cut := nodes[0].guard.cut.Load() + nodes[1].guard.cut.Load()
	if cut == 0 {
		t.Error("nobody was cut")
	}
	nc := mustConnect(t, l, nodes[0].ClientURL(), agentCreds(t, l, "acme", "prod"))
	if err := nc.Flush(); err != nil {
		t.Errorf("an agent with a proper name was cut: %v", err)
	}
}

// TestGuardSweep: who is there before the guard is found too.
func TestGuardSweep(t *testing.T) {
	l := newLayout(t)
	guardCreds, err := os.ReadFile(l.GuardCredsFile())
	if err != nil {
		t.Fatal(err)
	}
	remove(t, l.GuardCredsFile())
	b := startNode(t, l, nil)
	push(t, l, b, carelessAccount(t, l))
	nc := mustConnect(t, l, b.ClientURL(), credsNamed(t, l, "acme", "*"))
	good := mustConnect(t, l, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	write(t, l.GuardCredsFile(), string(guardCreds))
	g, err := startGuard(b, l.GuardCredsFile())
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	awaitCut(t, nc)
	if err := good.Flush(); err != nil {
		t.Errorf("an agent with a proper name was cut: %v", err)
	}
}

func TestGuardNeedsItsPermission(t *testing.T) {
	for _, c := range []struct {
		name  string
		creds func(*testing.T, *keys.Layout) []byte
		want  error
	}{
		{"an agent's credentials", func(t *testing.T, l *keys.Layout) []byte {
			return agentCreds(t, l, "acme", "prod") // not allowed in process
		}, nats.ErrAuthorization},
		{"a user of the system account that may not", func(t *testing.T, l *keys.Layout) []byte {
			claims := jwt.NewUserClaims("x")
			claims.Permissions.Sub.Deny.Add(">")
			claims.Permissions.Pub.Deny.Add(">")
			return systemCreds(t, l, claims)
		}, nats.ErrPermissionViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLayout(t)
			write(t, l.GuardCredsFile(), string(c.creds(t, l)))
			start := time.Now()
			b, err := Start(Config{Dir: l.Dir(), Listen: "127.0.0.1:0", WebsocketListen: Off, Logger: testLog(t)})
			if err == nil {
				b.Shutdown()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), "guard-creds") || !errors.Is(err, c.want) {
				t.Errorf("error %q does not say what was refused", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s to say so", took)
			}
		})
	}
}
