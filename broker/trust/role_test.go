package trust

import (
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

const someKey = "AAAA"

func TestOwnRolesAreGood(t *testing.T) {
	for _, s := range []*jwt.UserScope{keys.AgentScope(someKey), keys.BridgeScope(someKey)} {
		for _, wrong := range judgeRole(s) {
			t.Errorf("role %s %s", s.Role, wrong)
		}
	}
}

func TestBadRolesAreFound(t *testing.T) {
	edit := func(s *jwt.UserScope, f func(*jwt.UserPermissionLimits)) *jwt.UserScope {
		f(&s.Template)
		return s
	}
	agent := func(f func(*jwt.UserPermissionLimits)) *jwt.UserScope { return edit(keys.AgentScope(someKey), f) }
	bridge := func(f func(*jwt.UserPermissionLimits)) *jwt.UserScope { return edit(keys.BridgeScope(someKey), f) }
	only := func(subjects ...string) jwt.Permission { return jwt.Permission{Allow: subjects} }
	for _, c := range []struct {
		name string
		role *jwt.UserScope
		want string // in one of the complaints
	}{
		{"templates that end in >", agent(func(t *jwt.UserPermissionLimits) {
			t.Sub, t.Pub = only("down.{{name()}}.>"), only("up.*.{{name()}}.>")
		}), `allows hearing "down.{{name()}}.>"`},
		{"no denied wildcard when hearing", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Deny = nil }), `does not deny hearing "down.*.{{name()}}.*"`},
		{"no denied wildcard when publishing", agent(func(t *jwt.UserPermissionLimits) {
			t.Pub.Deny = jwt.StringList{subjects.AgentDenyNoResponders}
		}), `does not deny publishing to "up.*.*.{{name()}}"`},
		{"no-responders can be forged", agent(func(t *jwt.UserPermissionLimits) {
			t.Pub.Deny = jwt.StringList{subjects.AgentDenyPub}
		}), `does not deny publishing to "up.*._.>"`},
		{"everything", agent(func(t *jwt.UserPermissionLimits) { t.Sub, t.Pub = only(">"), only(">") }), `allows publishing to ">"`},
		{"no allow list", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Allow = nil }), "every subject that it does not deny"},
		{"presence of everybody", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Allow.Add("up._.*.*") }), `allows hearing "up._.*.*"`},
		{"inboxes", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Allow.Add("_INBOX.>") }), `allows hearing "_INBOX.>"`},
		{"another cluster by name", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Allow.Add("down.prod.*.*") }), `allows hearing "down.prod.*.*"`},
		{"a tag, which whoever mints chooses", agent(func(t *jwt.UserPermissionLimits) {
			t.Sub = only("down.{{tag(cluster)}}.*.*")
		}), "{{tag(cluster)}}"},
		{"responses", agent(func(t *jwt.UserPermissionLimits) { t.Resp = &jwt.ResponsePermission{MaxMsgs: 1} }), "allows responses"},
		{"bearer tokens", agent(func(t *jwt.UserPermissionLimits) { t.BearerToken = true }), "bearer"},
		{"leaf nodes", agent(func(t *jwt.UserPermissionLimits) {
			t.AllowedConnectionTypes.Add(jwt.ConnectionTypeLeafnode)
		}), "connections of types"},
		{"any connection", agent(func(t *jwt.UserPermissionLimits) { t.AllowedConnectionTypes = nil }), "connections of types"},
		{"queue groups", agent(func(t *jwt.UserPermissionLimits) { t.Sub.Deny = jwt.StringList{"down.*.{{name()}}.* q"} }), "queue group"},
		{"an agent that cannot work", agent(func(t *jwt.UserPermissionLimits) { t.Pub = only("up.*.{{name()}}.x") }), "cannot publish"},
		{"a bridge that takes others' names", bridge(func(t *jwt.UserPermissionLimits) { t.Pub = only("down.>") }), `allows publishing to "down.>"`},
		{"a bridge that hears others", bridge(func(t *jwt.UserPermissionLimits) { t.Sub = only("up.>") }), `allows hearing "up.>"`},
		{"a bridge that plays agent", bridge(func(t *jwt.UserPermissionLimits) { t.Pub.Allow.Add("up.>") }), `allows publishing to "up.>"`},
		{"a bridge that cannot work", bridge(func(t *jwt.UserPermissionLimits) { t.Sub = only("up.{{name()}}.>") }), "cannot hear up._"},
		{"some other role that reaches in", func() *jwt.UserScope {
			s := keys.AgentScope(someKey)
			s.Role, s.Template.Permissions = "monitor", jwt.Permissions{Sub: only("up._.*.*"), Pub: only("monitor.x")}
			return s
		}(), `allows hearing "up._.*.*", which may be of up.>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judgeRole(c.role)
			if !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("found %q, want something with %q", got, c.want)
			}
		})
	}
}

func TestOtherRolesMayBe(t *testing.T) {
	s := keys.AgentScope(someKey)
	s.Role = "metrics"
	s.Template.Permissions = jwt.Permissions{
		Pub: jwt.Permission{Allow: jwt.StringList{"metrics.{{name()}}"}},
		Sub: jwt.Permission{Allow: jwt.StringList{"metrics.>"}},
	}
	if got := judgeRole(s); len(got) > 0 {
		t.Errorf("a role that has nothing to do with Fairlead's subjects: %v", got)
	}
}

// TestOlderStoreRole: an account that was made when there were three streams is not
// refused: its bridges can do what they could.
func TestOlderStoreRole(t *testing.T) {
	s := keys.StoreScope(someKey)
	s.Template.Pub.Allow, s.Template.Sub.Allow = subjects.StoreLeastPub(), subjects.StoreLeastSub()
	if got := judgeRole(s); len(got) > 0 {
		t.Errorf("complaints %q", got)
	}
	s.Template.Pub.Allow = s.Template.Pub.Allow[1:]
	if got := judgeRole(s); len(got) == 0 {
		t.Error("a role without a right that it always had is taken")
	}
}
