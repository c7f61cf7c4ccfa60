package broker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

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
	guard, err := nats.Connect(b.ClientURL(), nats.UserCredentials(l.GuardCredsFile()), nats.RootCAs(l.CAFile()), nats.NoReconnect(), nats.Timeout(patience))
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
		eventually.Nil(t, "a refusal", func() error {
			if err := nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
				return fmt.Errorf("%s: last error %v", name, err)
			}
			return nil
		})
	}
}

// TestGuard gives a tenant roles made with nsc without regard to user names, while the
// broker runs: a user named "*" could receive the messages of all others.
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
		t.Error("no user was cut off")
	}
	nc := mustConnect(t, l, nodes[0].ClientURL(), agentCreds(t, l, "acme", "prod"))
	if err := nc.Flush(); err != nil {
		t.Errorf("an agent with a proper name was cut: %v", err)
	}
}

// TestGuardSweep: users that connected before the guard started are found too.
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
