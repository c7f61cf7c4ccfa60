package trust

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/broker/internal/brokertest"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// reaches names a subject of the victim's, or of no user's, that a role leaves to a
// user with a hostile name.
func reaches(t jwt.UserPermissionLimits) string {
	for _, name := range brokertest.Hostile {
		p := expand(t, name)
		for _, s := range slices.Concat(brokertest.Tree, brokertest.Foreign) {
			if p.publish(s) {
				return fmt.Sprintf("a user named %q can publish to %s", name, s)
			}
			if p.hear(s) {
				return fmt.Sprintf("a user named %q can hear %s", name, s)
			}
		}
	}
	return ""
}

// agentReaches is what an agent could do beyond that, by its own name.
func agentReaches(t jwt.UserPermissionLimits) string {
	p := expand(t, brokertest.Victim)
	for i, s := range brokertest.Tree {
		if bridges := i >= 2; bridges && p.hear(s) || (!bridges || i == 4) && p.publish(s) {
			return "an agent can use " + s + ", which is not an agent's"
		}
	}
	return reaches(t)
}

// bridgeReaches is what a bridge could do beyond its part.
func bridgeReaches(t jwt.UserPermissionLimits) string {
	own, other := expand(t, brokertest.VictimBridge), expand(t, brokertest.Bystander)
	for i, s := range brokertest.Tree {
		agents := i < 2
		switch {
		case agents && (own.hear(s) || other.hear(s)):
			return "a bridge can hear " + s
		case agents && other.publish(s):
			return "a bridge can publish to " + s + " in another's name"
		case !agents && (own.publish(s) || other.publish(s)):
			return "a bridge can publish to " + s
		case i == 2 && other.hear(s):
			return "a bridge can hear " + s + ", which is another's"
		}
	}
	for _, s := range brokertest.Foreign {
		if own.publish(s) || own.hear(s) {
			return "a bridge can use " + s
		}
	}
	return ""
}

// templates are subjects that a user might write into a role: Fairlead's own, each of
// them a little wider, narrower or shifted, and others.
var templates = []string{
	subjects.AgentAllowSub, subjects.AgentAllowPub, subjects.AgentDenySub, subjects.AgentDenyPub, subjects.AgentDenyNoResponders,
	subjects.BridgeAllowPub, subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence,
	">", "*.>", "down.>", "up.>", "down.{{name()}}.>", "up.*.{{name()}}.>", "up.{{name()}}.{{name()}}.*", "up.{{name()}}.*.*",
	"down.{{name()}}.{{name()}}.*", "down.{{name()}}.*", "down.*.*.*", "up.*.*.*", "up.*._.*.*.*", "up._.{{name()}}.*", "up._.>",
	"{{name()}}.>", "*.{{name()}}.>", "{{name()}}", "_INBOX.>", "$SYS.>", "$JS.>", "app.{{name()}}",
}

// TestReachImpliesNoHostile: a role without a complaint leaves a hostile name
// nothing. Each list of a role's is tried with none, one and two of the templates
// above, or with what it should be.
func TestReachImpliesNoHostile(t *testing.T) {
	lists := []jwt.StringList{nil}
	for i, a := range templates {
		lists = append(lists, jwt.StringList{a})
		for _, b := range templates[i+1:] {
			lists = append(lists, jwt.StringList{a, b})
		}
	}
	app := jwt.NewUserScope()
	app.Role, app.Template.Pub.Allow, app.Template.Sub.Allow = "app", jwt.StringList{"app.x"}, jwt.StringList{"app.x"}
	app.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard)
	for _, c := range []struct {
		role    *jwt.UserScope
		reaches func(jwt.UserPermissionLimits) string
	}{
		{keys.AgentScope(someKey), agentReaches}, {keys.BridgeScope(someKey), bridgeReaches}, {app, reaches},
	} {
		t.Run(c.role.Role, func(t *testing.T) {
			fields := []func(*jwt.UserPermissionLimits) *jwt.StringList{
				func(l *jwt.UserPermissionLimits) *jwt.StringList { return &l.Pub.Allow },
				func(l *jwt.UserPermissionLimits) *jwt.StringList { return &l.Pub.Deny },
				func(l *jwt.UserPermissionLimits) *jwt.StringList { return &l.Sub.Allow },
				func(l *jwt.UserPermissionLimits) *jwt.StringList { return &l.Sub.Deny },
			}
			bad, good := 0, 0
			for _, field := range fields {
				for _, list := range lists {
					s := *c.role
					*field(&s.Template) = list
					reached := c.reaches(s.Template)
					complaints := judgeRole(&s)
					if reached == "" && len(complaints) == 0 {
						good++
					} else if reached != "" {
						bad++
					}
					if reached != "" && len(complaints) == 0 {
						t.Errorf("%s, and nothing is found in %+v", reached, s.Template.Permissions)
					}
				}
			}
			t.Logf("%d roles reach what they must not, and each is found; %d are good", bad, good)
			if bad == 0 || good == 0 {
				t.Error("the templates show nothing")
			}
		})
	}
}

// TestContains: a wildcard for one token does not match a name with dots.
func TestContains(t *testing.T) {
	for _, c := range []struct {
		pattern, other string
		want           bool
	}{
		{"up.*.{{name()}}.*", "up.*.{{name()}}.*", true},
		{"up.*.{{name()}}.*", "up.b1.{{name()}}.a1", true},
		{"up.*.{{name()}}.*", "up.*.{{ NAME() }}.*", true},
		{"up.*.{{name()}}.*", "up.{{name()}}.{{name()}}.*", false},
		{"up.*.{{name()}}.*", "up.*.{{name()}}.>", false},
		{"up.*.{{name()}}.*", "up.*.prod.*", false},
		{"up.*.*.*", "up.*.{{name()}}.*", false},
		{"up.>", "up.*.{{name()}}.*", true},
		{">", "{{name()}}", true},
	} {
		if got := contains(c.pattern, c.other); got != c.want {
			t.Errorf("%q contains %q: %v, want %v", c.pattern, c.other, got, c.want)
		}
	}
}
