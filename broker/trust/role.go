package trust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects"
)

// nameTemplate is the one template function that the roles use.
var (
	anyTemplate  = regexp.MustCompile(`{{[^}]*}}`)
	nameTemplate = regexp.MustCompile(`(?i){{\s*name\(\)\s*}}`)
)

// permissions are what a role leaves one user: what nats-server makes of the
// role's template when a user of that name connects.
type permissions struct {
	refused                              bool // may not connect at all
	pubAllow, pubDeny, subAllow, subDeny []string
}

// expand puts a user's name into a role's template. Like the server, it drops
// allowed subjects that come out invalid and refuses the user when a denied
// one does.
func expand(t jwt.UserPermissionLimits, name string) permissions {
	var p permissions
	allow := func(templates jwt.StringList) (list []string) {
		for _, s := range fill(templates, name) {
			if server.IsValidSubject(s) {
				list = append(list, s)
			}
		}
		if len(templates) > 0 && len(list) == 0 {
			return []string{} // nothing, whereas nil is everything
		}
		return list
	}
	deny := func(templates jwt.StringList) []string {
		list := fill(templates, name)
		p.refused = p.refused || slices.ContainsFunc(list, func(s string) bool { return !server.IsValidSubject(s) })
		return list
	}
	p.pubAllow, p.pubDeny = allow(t.Pub.Allow), deny(t.Pub.Deny)
	p.subAllow, p.subDeny = allow(t.Sub.Allow), deny(t.Sub.Deny)
	return p
}

func fill(templates jwt.StringList, name string) []string {
	var list []string
	for _, s := range templates {
		list = append(list, nameTemplate.ReplaceAllLiteralString(s, name))
	}
	return list
}

func (p permissions) publish(subject string) bool { return p.may(subject, p.pubAllow, p.pubDeny) }

// hear reports whether messages of subject can reach the user by any
// subscription that it may make: the server also filters what a wildcard
// subscription delivers by the denied subjects.
func (p permissions) hear(subject string) bool { return p.may(subject, p.subAllow, p.subDeny) }

func (p permissions) may(subject string, allow, deny []string) bool {
	matches := func(pattern string) bool { return server.SubjectsCollide(subject, pattern) }
	return !p.refused && (allow == nil || slices.ContainsFunc(allow, matches)) && !slices.ContainsFunc(deny, matches)
}

// victim and its peers are those whom a role must not let others touch.
const (
	victim         = "victim"
	victimInstance = "a1"
	victimBridge   = "b1"
	bystander      = "bystander"
)

// tree is one subject of each form there is, all of them the victim's.
var tree = []string{
	subjects.Down(victim, victimInstance, victimBridge),
	subjects.DownAll(victim, victimBridge),
	subjects.Up(victimBridge, victim, victimInstance),
	subjects.UpAll(victim, victimInstance),
	subjects.NoResponders(victimBridge, victim, victimInstance, 1),
}

// foreign are subjects that are nobody's in a tenant.
var foreign = []string{
	"_INBOX.x", "$SYS.REQ.SERVER.PING", "$JS.API.STREAM.CREATE.x", "$JS.API.CONSUMER.CREATE.x",
}

// hostile are user names that a careless signer could be brought to sign.
var hostile = []string{
	bystander, "*", ">", "*.*", "*.>", "_", "_.*", "_.*.*", "_.>",
	victim + ".*", victim + ".>", victim + "." + victimInstance, victim + "._",
	victim + "." + victimInstance + "." + victimBridge,
	"_." + victim + "." + victimInstance, "_." + victim, "*." + victim, "*." + victim + "." + victimInstance,
	victimInstance, victimBridge, "",
}

// judgeRole says what is wrong with a scoped signing key.
func judgeRole(s *jwt.UserScope) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	t := s.Template
	for _, list := range []jwt.StringList{t.Pub.Allow, t.Pub.Deny, t.Sub.Allow, t.Sub.Deny} {
		for _, subject := range list {
			for _, f := range anyTemplate.FindAllString(subject, -1) {
				if !nameTemplate.MatchString(f) {
					complain("uses %s in %q: only {{name()}} is the cluster's", f, subject)
				}
			}
			if strings.ContainsAny(subject, " \t") {
				complain("names a queue group in %q: queue groups are not told apart", subject)
			}
		}
	}
	if t.Resp != nil {
		complain("allows responses: whoever sends a message could choose what is published where")
	}
	if t.BearerToken {
		complain("makes bearer tokens, which whoever sees one can use")
	}
	if len(t.Pub.Allow) == 0 || len(t.Sub.Allow) == 0 {
		complain("allows every subject that it does not deny")
	}
	known := []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeInProcess}
	if len(t.AllowedConnectionTypes) == 0 ||
		slices.ContainsFunc(t.AllowedConnectionTypes, func(c string) bool { return !slices.Contains(known, c) }) {
		complain("allows connections of types that are not %s", strings.Join(known, ", "))
	}
	switch {
	case isRole(s.Role, subjects.RoleBridge):
		judgeBridge(t, complain)
	case isRole(s.Role, subjects.RoleAgent):
		judgeAgent(t, complain)
	default:
		judgeOthers(t, complain)
	}
	if len(wrong) == 0 {
		judgeReach(s, complain)
	}
	return wrong
}

// isRole reports whether a role's name is role or, as after a change of
// templates, begins with role and a dash.
func isRole(name, role string) bool { return name == role || strings.HasPrefix(name, role+"-") }

type complaint = func(format string, args ...any)

func judgeAgent(t jwt.UserPermissionLimits, complain complaint) {
	for _, s := range slices.Concat(t.Pub.Allow, t.Sub.Allow) {
		if inTree(s) && !nameTemplate.MatchString(s) {
			complain("allows %q whatever the user's name", s)
		}
	}
	judgeOthers(t, complain)
	own := expand(t, victim)
	for _, s := range tree[:2] {
		if !own.hear(s) {
			complain("an agent of cluster %q cannot hear %s", victim, s)
		}
		if own.publish(s) {
			complain("an agent can publish to %s, which is the bridges'", s)
		}
	}
	for _, s := range tree[2:4] {
		if !own.publish(s) {
			complain("an agent of cluster %q cannot publish to %s", victim, s)
		}
		if own.hear(s) {
			complain("an agent can hear %s, which is the bridges'", s)
		}
	}
	if s := tree[4]; own.publish(s) {
		complain("an agent can publish to %s, where only NATS may", s)
	}
}

// judgeOthers holds for users of any name but the victim's.
func judgeOthers(t jwt.UserPermissionLimits, complain complaint) {
	for _, name := range hostile {
		p := expand(t, name)
		for _, s := range slices.Concat(tree, foreign) {
			if p.publish(s) {
				complain("a user named %q can publish to %s", name, s)
				return
			}
			if p.hear(s) {
				complain("a user named %q can hear %s", name, s)
				return
			}
		}
	}
}

func judgeBridge(t jwt.UserPermissionLimits, complain complaint) {
	own, other := expand(t, victimBridge), expand(t, bystander)
	for _, s := range tree[:2] {
		if !own.publish(s) {
			complain("bridge %q cannot publish to %s", victimBridge, s)
		}
		if other.publish(s) {
			complain("a bridge can publish to %s in another's name", s)
		}
		if own.hear(s) || other.hear(s) {
			complain("a bridge can hear %s, which is the agents'", s)
		}
	}
	for _, s := range tree[2:] {
		if !own.hear(s) {
			complain("bridge %q cannot hear %s", victimBridge, s)
		}
		if own.publish(s) || other.publish(s) {
			complain("a bridge can publish to %s, which is the agents'", s)
		}
	}
	if s := tree[2]; other.hear(s) {
		complain("a bridge can hear %s, which is another's", s)
	}
	for _, s := range foreign {
		if own.publish(s) || own.hear(s) {
			complain("a bridge can use %s", s)
		}
	}
}

// inTree reports whether a subject or pattern may touch Fairlead's own.
func inTree(s string) bool {
	return slices.ContainsFunc([]string{"down.>", "up.>"}, func(root string) bool {
		return server.SubjectsCollide(widest(s), root)
	})
}
