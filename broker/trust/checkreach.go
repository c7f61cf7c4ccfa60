package trust

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects"
)

// judgeReach compares a role with what it needs: what it allows must be part of
// that, and what it must deny must be denied, for every name that a user could
// have. Names of attackers are in its tests.
func judgeReach(s *jwt.UserScope, complain complaint) {
	t := s.Template
	switch {
	case isRole(s.Role, subjects.RoleAgent):
		within(t.Pub.Allow, complain, "publishing to", subjects.AgentAllowPub)
		within(t.Sub.Allow, complain, "hearing", subjects.AgentAllowSub)
		covered(t.Pub.Deny, complain, "publishing to", subjects.AgentDenyPub, subjects.AgentDenyNoResponders)
		covered(t.Sub.Deny, complain, "hearing", subjects.AgentDenySub)
	case isRole(s.Role, subjects.RoleBridge):
		within(t.Pub.Allow, complain, "publishing to", subjects.BridgeAllowPub)
		within(t.Sub.Allow, complain, "hearing", subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
	case isRole(s.Role, subjects.RoleStore):
		within(t.Pub.Allow, complain, "publishing to", subjects.StoreAllowPub()...)
		within(t.Sub.Allow, complain, "hearing", subjects.StoreAllowSub()...)
	case isRole(s.Role, subjects.RoleSteward):
		within(t.Pub.Allow, complain, "publishing to", subjects.StewardAllowPub()...)
		within(t.Sub.Allow, complain, "hearing", subjects.StewardAllowSub()...)
	default:
		apart(t.Pub, complain, "publishing to")
		apart(t.Sub, complain, "hearing")
		return
	}
	if t.Payload != jwt.NoLimit && t.Payload < subjects.MaxMessage {
		complain("allows messages of %d bytes, and Fairlead's have up to %d", t.Payload, subjects.MaxMessage)
	}
	if t.Subs != jwt.NoLimit && t.Subs < neededSubs {
		complain("allows %d subscriptions, and %d are needed", t.Subs, neededSubs)
	}
}

// neededSubs is how many subscriptions an agent or a bridge has: frames, and
// presence or its queries.
const neededSubs = 2

// within complains about allowed subjects that are not part of any needed one.
func within(allow jwt.StringList, complain complaint, what string, needed ...string) {
	for _, s := range allow {
		if !slices.ContainsFunc(needed, func(n string) bool { return contains(n, s) }) {
			complain("allows %s %q, and needs no more than %q", what, s, needed)
		}
	}
}

// covered complains about subjects that must be denied and are not wholly.
func covered(deny jwt.StringList, complain complaint, what string, needed ...string) {
	for _, n := range needed {
		if !slices.ContainsFunc(deny, func(d string) bool { return contains(d, n) }) {
			complain("does not deny %s %q", what, n)
		}
	}
}

// contains reports whether a pattern has all subjects of another, whatever name
// {{name()}} stands for. A name may have dots, so it is tried as one token and as
// two: a "*" that stands for one of them does not contain the other.
func contains(pattern, other string) bool {
	for _, name := range []string{"{{}}", "{{}}.{{}}"} { // no literal token is like that
		fill := func(s string) string { return nameTemplate.ReplaceAllLiteralString(s, name) }
		if !server.SubjectMatchesFilter(fill(other), fill(pattern)) {
			return false
		}
	}
	return true
}

// reserved are the subjects that a tenant's own roles must not touch.
var reserved = []string{"down.>", "up.>", "_INBOX.>", "_INBOX_STEWARD.>", "$SYS.>", "$JS.>"}

// apart complains about allowed subjects that may be reserved ones, whatever
// the user's name, unless those are denied, whatever the user's name.
func apart(p jwt.Permission, complain complaint, what string) {
	for _, s := range p.Allow {
		for _, r := range reserved {
			denied := func(d string) bool { return !anyTemplate.MatchString(d) && server.SubjectMatchesFilter(r, d) }
			if server.SubjectsCollide(widest(s), r) && !slices.ContainsFunc(p.Deny, denied) {
				complain("allows %s %q, which may be of %s; only roles %s and %s need those", what, s, r, subjects.RoleAgent, subjects.RoleBridge)
			}
		}
	}
}

// reference is a token of a mapped subject that stands for one or more tokens
// of another.
var reference = regexp.MustCompile(`^\$[0-9]+$`)

// widest is a pattern of every subject that a template, or the target of a mapping
// or an import, can become: a placeholder may become any number of tokens.
func widest(s string) string {
	tokens := strings.Split(s, ".")
	i := slices.IndexFunc(tokens, func(t string) bool { return strings.Contains(t, "{{") || reference.MatchString(t) })
	if i < 0 {
		return s
	}
	return strings.Join(append(tokens[:i:i], ">"), ".")
}
