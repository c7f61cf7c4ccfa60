package trust

import (
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestReach: roles that are too much in a way that no example of judgeRole
// shows.
func TestReach(t *testing.T) {
	only := func(subjects ...string) jwt.Permission { return jwt.Permission{Allow: subjects} }
	role := func(name string, f func(*jwt.UserPermissionLimits)) *jwt.UserScope {
		s := keys.AgentScope(someKey)
		switch name {
		case subjects.RoleAgent:
		case subjects.RoleBridge:
			s = keys.BridgeScope(someKey)
		default:
			s.Role, s.Template.Permissions = name, jwt.Permissions{Pub: only("app.x"), Sub: only("app.x")}
		}
		f(&s.Template)
		return s
	}
	for _, c := range []struct {
		name string
		role *jwt.UserScope
		want string
	}{
		{"an agent with a subject that is nobody's yet", role("agent", func(t *jwt.UserPermissionLimits) {
			t.Sub.Allow.Add("audit.{{name()}}")
		}), `allows hearing "audit.{{name()}}"`},
		{"an agent with part of the JetStream API", role("agent", func(t *jwt.UserPermissionLimits) {
			t.Pub.Allow.Add("$JS.API.CONSUMER.CREATE.*.*.down.>")
		}), "allows publishing to"},
		{"an agent that hears account events", role("agent", func(t *jwt.UserPermissionLimits) {
			t.Sub.Allow.Add("$SYS.ACCOUNT.*.CONNECT")
		}), "allows hearing"},
		{"an agent that can be given another's place in a longer subject", role("agent", func(t *jwt.UserPermissionLimits) {
			t.Pub.Allow.Add("up.*.{{name()}}.*.*.*.*")
		}), "allows publishing to"},
		{"an agent with less denied than it seems", role("agent", func(t *jwt.UserPermissionLimits) {
			t.Pub.Deny = jwt.StringList{subjects.AgentDenyPub, "up.*._.*.*.1"} // the example's stream
		}), `does not deny publishing to "up.*._.>"`},
		{"a bridge with an inbox", role("bridge", func(t *jwt.UserPermissionLimits) {
			t.Sub.Allow.Add("replies.{{name()}}.>")
		}), "allows hearing"},
		{"small messages", role("agent", func(t *jwt.UserPermissionLimits) { t.Payload = 1024 }), "allows messages of 1024 bytes"},
		{"no second subscription", role("bridge", func(t *jwt.UserPermissionLimits) { t.Subs = 1 }), "allows 1 subscriptions"},
		{"another role whose user may be called down", role("app", func(t *jwt.UserPermissionLimits) {
			t.Pub = only("{{name()}}.*.*.*.*.*.*")
		}), `allows publishing to "{{name()}}.*.*.*.*.*.*"`},
		{"another role with part of the JetStream API", role("app", func(t *jwt.UserPermissionLimits) {
			t.Pub.Allow.Add("$JS.API.CONSUMER.DURABLE.CREATE.*.*")
		}), "which may be of $JS.>"},
		{"another role that hears the bridges of one length", role("app", func(t *jwt.UserPermissionLimits) {
			t.Sub.Allow.Add("up.*.*.*.*.*.*.*")
		}), "which may be of up.>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judgeRole(c.role); !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("found %q, want something with %q", got, c.want)
			}
		})
	}
	all := role("app", func(t *jwt.UserPermissionLimits) {
		t.Pub = jwt.Permission{Allow: jwt.StringList{">"}, Deny: reserved}
		t.Sub = t.Pub
	})
	if got := judgeRole(all); len(got) > 0 {
		t.Errorf("a role of everything but what is Fairlead's or NATS's: %q", got)
	}
}

// TestCrossings finds ways for messages into or out of a tenant's own subjects.
func TestCrossings(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(*jwt.AccountClaims)
	}{
		{"a stream imported under its own name", func(c *jwt.AccountClaims) {
			c.Imports.Add(&jwt.Import{Subject: "down.>", Type: jwt.Stream})
		}},
		{"a service imported under its own name", func(c *jwt.AccountClaims) {
			c.Imports.Add(&jwt.Import{Subject: "up.b1.prod.a1", Type: jwt.Service})
		}},
		{"a stream with a prefix, as it was once written", func(c *jwt.AccountClaims) {
			//lint:ignore SA1019 servers still obey it
			c.Imports.Add(&jwt.Import{Subject: "prod.a1.b1", To: "down", Type: jwt.Stream})
		}},
		{"an import whose first token the exporter chooses", func(c *jwt.AccountClaims) {
			c.Imports.Add(&jwt.Import{Subject: "*.x", LocalSubject: "$1.prod.a1.b1", Type: jwt.Stream})
		}},
		{"a mapping whose first token the sender chooses", func(c *jwt.AccountClaims) {
			c.Mappings = jwt.Mapping{"app.*": {{Subject: "{{wildcard(1)}}.prod.a1.b1"}}}
		}},
		{"a mapping that splits a token", func(c *jwt.AccountClaims) {
			c.Mappings = jwt.Mapping{"app.*": {{Subject: "{{SplitFromLeft(1,4)}}"}}}
		}},
		{"an export of everything", func(c *jwt.AccountClaims) {
			c.Exports.Add(&jwt.Export{Subject: ">", Type: jwt.Stream})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := keys.TenantClaims("acme", someKey, someKey, someKey)
			if claims == nil {
				t.Fatal("no claims")
			}
			c.put(claims)
			if got := crossings(claims); len(got) == 0 {
				t.Error("nothing found")
			}
		})
	}
	other := keys.TenantClaims("acme", someKey, someKey, someKey)
	other.Imports.Add(&jwt.Import{Subject: "weather.*", LocalSubject: "app.weather.$1", Type: jwt.Stream})
	other.Mappings = jwt.Mapping{"app.*": {{Subject: "app.v2.{{wildcard(1)}}"}}}
	if got := crossings(other); len(got) > 0 {
		t.Errorf("found %q in what has nothing to do with Fairlead", got)
	}
}

func TestFillInLeavesWhatAShellWouldRead(t *testing.T) {
	for name, want := range map[string]string{
		"acme":       "nsc push -a acme",
		"$(reboot)":  "nsc push -a ACCOUNT",
		"a;b":        "nsc push -a ACCOUNT",
		"--config-x": "nsc push -a ACCOUNT",
		"a\x1b[2Jb":  "nsc push -a ACCOUNT",
		"":           "nsc push -a ACCOUNT",
	} {
		if got := fillIn("nsc push -a ACCOUNT", "ACCOUNT", name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
