package trust_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/broker/trust"
	"github.com/fairlead-io/fairlead/subjects"
)

// fault is one way to spoil a directory, and what is found then.
type fault struct {
	name  string
	spoil func(*testing.T, *keys.Layout)
	want  string
}

func seedKey(t *testing.T, l *keys.Layout, name ...string) string {
	t.Helper()
	return brokertest.PublicKey(t, l.KeyFile(name...))
}

func editTenant(f func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims)) func(*testing.T, *keys.Layout) {
	return func(t *testing.T, l *keys.Layout) {
		claims, err := keys.ReadAccount(l.AccountFile(brokertest.Account(t, l, "acme")))
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, claims)
		brokertest.Sign(t, l, claims, "operator-signing.nk")
	}
}

func editPlatform(f func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims)) func(*testing.T, *keys.Layout) {
	return func(t *testing.T, l *keys.Layout) {
		account, _, err := l.Platform()
		if err != nil {
			t.Fatal(err)
		}
		claims, err := keys.ReadAccount(l.AccountFile(account))
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, claims)
		brokertest.Sign(t, l, claims, "operator-signing.nk")
	}
}

func editOperator(f func(*jwt.OperatorClaims)) func(*testing.T, *keys.Layout) {
	return func(t *testing.T, l *keys.Layout) {
		op := brokertest.Operator(t, l)
		f(op)
		identity, err := keys.ReadKey(l.KeyFile("operator.nk"))
		if err != nil {
			t.Fatal(err)
		}
		token, err := op.Encode(identity)
		if err != nil {
			t.Fatal(err)
		}
		brokertest.Write(t, l.OperatorFile(), token)
	}
}

func TestCheckAccounts(t *testing.T) {
	checkFinds(t, []fault{
		{"nothing wrong", func(*testing.T, *keys.Layout) {}, ""},
		{"an unscoped signing key", editTenant(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.SigningKeys.Add(seedKey(t, l, "system-signing.nk"))
		}), "is not scoped"},
		{"no default deny", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.DefaultPermissions = jwt.Permissions{}
		}), "does not deny everything by default"},
		{"bearer tokens", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.DisallowBearer = false
		}), "allows bearer tokens"},
		{"a role that does not confine", func(t *testing.T, l *keys.Layout) { brokertest.CarelessAccount(t, l) }, `allows hearing "down.{{name()}}.>"`},
		{"an export of agents' subjects", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.Exports, c.Limits.WildcardExports = -1, true
			c.Exports.Add(&jwt.Export{Subject: "up.>", Type: jwt.Stream})
		}), "imports, exports or maps up.>"},
		{"a mapping to agents' subjects", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Mappings = jwt.Mapping{"x": {{Subject: "down.prod.a1.b1"}}}
		}), "imports, exports or maps down.prod.a1.b1"},
		{"an import of agents' subjects under their own names", editTenant(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.Imports = -1
			c.Imports.Add(&jwt.Import{Subject: "down.>", Account: brokertest.Operator(t, l).SystemAccount, Type: jwt.Stream})
		}), "imports, exports or maps down.>"},
		{"responses by default", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.DefaultPermissions.Resp = &jwt.ResponsePermission{MaxMsgs: 1}
		}), "allows responses by default"},
	})
}

func TestCheckSharedKeys(t *testing.T) {
	checkFinds(t, []fault{
		{"two tenants with one key of role agent", func(t *testing.T, l *keys.Layout) {
			if _, err := l.AddTenant("globex"); err != nil {
				t.Fatal(err)
			}
			claims, err := keys.ReadAccount(l.AccountFile(brokertest.Account(t, l, "globex")))
			if err != nil {
				t.Fatal(err)
			}
			claims.SigningKeys.AddScopedSigner(keys.AgentScope(brokertest.PublicKey(t, l.AgentKeyFile("acme"))))
			brokertest.Sign(t, l, claims, "operator-signing.nk")
		}, "whoever mints in one of them can mint in both"},
		{"the bridges' key as a tenant's of role agent", func(t *testing.T, l *keys.Layout) {
			if _, err := l.AddTenant("globex"); err != nil {
				t.Fatal(err)
			}
			claims, err := keys.ReadAccount(l.AccountFile(brokertest.Account(t, l, "globex")))
			if err != nil {
				t.Fatal(err)
			}
			claims.SigningKeys.AddScopedSigner(keys.AgentScope(brokertest.PublicKey(t, l.BridgeKeyFile())))
			brokertest.Sign(t, l, claims, "operator-signing.nk")
		}, "whoever mints in one of them can mint in both"},
		{"an authorization service", editTenant(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.EnableExternalAuthorization(brokertest.UserOf(t, brokertest.AgentCreds(t, l, "acme", "prod")))
		}), "external service"},
	})
}

func TestCheckSignatures(t *testing.T) {
	checkFinds(t, []fault{
		{"an account signed by somebody else", func(t *testing.T, l *keys.Layout) {
			other := brokertest.NewLayout(t)
			claims, err := keys.ReadAccount(l.AccountFile(brokertest.Account(t, l, "acme")))
			if err != nil {
				t.Fatal(err)
			}
			brokertest.Sign(t, other, claims, "operator-signing.nk")
			b, err := os.ReadFile(other.AccountFile(claims.Subject))
			if err != nil {
				t.Fatal(err)
			}
			brokertest.Write(t, l.AccountFile(claims.Subject), string(b))
		}, "the operator does not vouch for"},
		{"an account signed by the operator's identity", func(t *testing.T, l *keys.Layout) {
			claims, err := keys.ReadAccount(l.AccountFile(brokertest.Account(t, l, "acme")))
			if err != nil {
				t.Fatal(err)
			}
			brokertest.Sign(t, l, claims, "operator.nk")
		}, "the operator does not vouch for"},
		{"an account under another's name", func(t *testing.T, l *keys.Layout) {
			b, err := os.ReadFile(l.AccountFile(brokertest.Account(t, l, "acme")))
			if err != nil {
				t.Fatal(err)
			}
			brokertest.Write(t, l.AccountFile(seedKey(t, l, "bridge.nk")), string(b))
		}, `holds account "acme"`},
		{"rubbish", func(t *testing.T, l *keys.Layout) {
			brokertest.Write(t, l.AccountFile(seedKey(t, l, "bridge.nk")), "rubbish")
		}, "is not an account JWT"},
	})
}

func TestCheckOperators(t *testing.T) {
	checkFinds(t, []fault{
		{"no system account in the operator", editOperator(func(op *jwt.OperatorClaims) { op.SystemAccount = "" }), "names no system account"},
		{"no JWT of the system account", func(t *testing.T, l *keys.Layout) {
			brokertest.Remove(t, l.AccountFile(brokertest.Operator(t, l).SystemAccount))
		}, "neither in the resolver's directory"},
		{"an operator that does not require signing keys", editOperator(func(op *jwt.OperatorClaims) {
			op.StrictSigningKeyUsage = false
		}), "does not require signing keys"},
		{"an expired operator", editOperator(func(op *jwt.OperatorClaims) { op.Expires = time.Now().Unix() - 1 }), "has expired"},
	})
}

func TestCheckUsers(t *testing.T) {
	checkFinds(t, []fault{
		{"an agent whose name is a wildcard", func(t *testing.T, l *keys.Layout) {
			brokertest.Write(t, l.CredsFile("acme", "star"), string(brokertest.CredsNamed(t, l, "acme", "*")))
		}, `name "*"`},
		{"an agent whose name has a dot", func(t *testing.T, l *keys.Layout) {
			brokertest.Write(t, l.CredsFile("acme", "dot"), string(brokertest.CredsNamed(t, l, "acme", "prod.a1")))
		}, `name "prod.a1"`},
		{"an agent signed by the bridges' key", func(t *testing.T, l *keys.Layout) {
			brokertest.Write(t, l.CredsFile("acme", "b"), string(brokertest.BridgeCreds(t, l, "acme", "stage")))
		}, "not signed by a key of role agent"},
		{"a guard that may publish", func(t *testing.T, l *keys.Layout) {
			claims := jwt.NewUserClaims("guard")
			claims.Name = "guard"
			brokertest.Write(t, l.GuardCredsFile(), string(brokertest.SystemCreds(t, l, claims)))
		}, "may do more than be notified of new connections"},
		{"credentials that are none", func(t *testing.T, l *keys.Layout) { brokertest.Write(t, l.CredsFile("acme", "x"), "x") }, "credentials:"},
	})
}

// checkFinds spoils a directory of its own for each fault. What is found keeps a
// broker from starting, too.
func checkFinds(t *testing.T, faults []fault) {
	t.Helper()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			l := brokertest.NewLayout(t)
			c.spoil(t, l)
			cfg := broker.Config{Dir: l.Dir(), Listen: "127.0.0.1:0", WebsocketListen: broker.Off, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
			report, err := trust.Check(trust.Source{Dir: l.Dir(), GuardCreds: l.GuardCredsFile()})
			if err != nil {
				t.Fatal(err)
			}
			findings := report.Findings
			if c.want == "" {
				platform, _, err := l.Platform()
				if err != nil {
					t.Fatal(err)
				}
				if len(findings) > 0 || report.Accounts != 3 || report.Users != 1 || report.Platform != subjects.StoreAccount || report.PlatformKey != platform {
					t.Errorf("found %+v", report)
				}
				return
			}
			found := false
			for _, f := range findings {
				t.Log(f)
				found = found || strings.Contains(f.String(), c.want)
				if f.Fix == "" {
					t.Errorf("%q says nothing of what to do", f)
				}
			}
			if !found {
				t.Errorf("nothing found with %q", c.want)
			}
			b, err := broker.Start(cfg)
			if err == nil {
				b.Shutdown()
				t.Fatal("a broker starts all the same")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("a broker does not start, but says %q", err)
			}
		})
	}
}

func TestCheckIsOfTheNodesOwnDirectoryToo(t *testing.T) {
	l := brokertest.NewLayout(t)
	own := t.TempDir()
	key := brokertest.Account(t, brokertest.NewLayout(t), "acme")
	brokertest.Write(t, filepath.Join(own, key+".jwt"), "rubbish")
	report, err := trust.Check(trust.Source{Dir: l.Dir(), ResolverDir: own})
	if err != nil {
		t.Fatal(err)
	}
	findings := report.Findings
	if len(findings) != 1 {
		t.Errorf("found %v, want the rubbish", findings)
	}
}

// Only the account of the platform has JetStream, only bridges are in it, and they may
// do no more than the store needs.
func TestCheckPlatform(t *testing.T) {
	role := func(edit func(*jwt.UserScope)) func(*testing.T, *keys.Layout) {
		return editPlatform(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			s := keys.StoreScope(seedKey(t, l, "store.nk"))
			edit(s)
			c.SigningKeys.AddScopedSigner(s)
		})
	}
	checkFinds(t, []fault{
		{"a tenant with JetStream", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, Streams: 1}
		}), "has JetStream, which is for the account of the platform alone"},
		{"a tenant with JetStream for copies", editTenant(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.JetStreamTieredLimits = jwt.JetStreamTieredLimits{"R3": {DiskStorage: 1}}
		}), "has JetStream, which is for the account of the platform alone"},
		{"the system account with JetStream", func(t *testing.T, l *keys.Layout) {
			claims, err := keys.ReadAccount(l.AccountFile(brokertest.Operator(t, l).SystemAccount))
			if err != nil {
				t.Fatal(err)
			}
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, Streams: 1}
			brokertest.Sign(t, l, claims, "operator-signing.nk")
		}, "has JetStream, which is for the account of the platform alone"},
		{"a tenant with role store", editTenant(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.SigningKeys.AddScopedSigner(keys.StoreScope(brokertest.NewAccountKey(t)))
		}), "has role store"},
		{"the platform with agents", editPlatform(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.SigningKeys.AddScopedSigner(keys.AgentScope(brokertest.NewAccountKey(t)))
		}), "only bridges and its stewards may be in the account of the platform"},
		{"a tenant with role steward", editTenant(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			c.SigningKeys.AddScopedSigner(keys.StewardScope(brokertest.NewAccountKey(t)))
		}), "has role steward, which is for the account of the platform alone"},
		{"a steward who writes", editPlatform(func(t *testing.T, l *keys.Layout, c *jwt.AccountClaims) {
			s := keys.StewardScope(brokertest.NewAccountKey(t))
			s.Template.Pub.Allow.Add("$KV.>")
			c.SigningKeys.AddScopedSigner(s)
		}), `allows publishing to "$KV.>"`},
		{"the platform without JetStream", editPlatform(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{}
		}), "has no JetStream"},
		{"the platform with an export", editPlatform(func(_ *testing.T, _ *keys.Layout, c *jwt.AccountClaims) {
			c.Limits.Exports = 1
			c.Exports.Add(&jwt.Export{Name: "x", Subject: "fairlead.audit.*", Type: jwt.Stream})
		}), "imports, exports or maps"},
		{"more rights", role(func(s *jwt.UserScope) { s.Template.Pub.Allow.Add("$JS.API.STREAM.DELETE.*") }), `allows publishing to "$JS.API.STREAM.DELETE.*"`},
		{"another's answers", role(func(s *jwt.UserScope) { s.Template.Sub.Allow.Add("_INBOX.>") }), `allows hearing "_INBOX.>"`},
		{"fewer rights", role(func(s *jwt.UserScope) { s.Template.Pub.Allow = jwt.StringList{"fairlead.audit.*"} }), "a bridge cannot publish to $KV."},
		{"responses", role(func(s *jwt.UserScope) { s.Template.Resp = &jwt.ResponsePermission{MaxMsgs: 1} }), "allows responses"},
	})
}
