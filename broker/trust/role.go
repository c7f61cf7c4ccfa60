package trust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/broker/keys"
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
				complain("names a queue group in %q: queue groups cannot be distinguished", subject)
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
	judgeReach(s, complain)
	judgeWork(s, complain)
	return wrong
}

// isRole is [keys.IsRole].
func isRole(name, role string) bool { return keys.IsRole(name, role) }

type complaint = func(format string, args ...any)

// judgeWork complains when an agent or a bridge could not do its work.
func judgeWork(s *jwt.UserScope, complain complaint) {
	const cluster, instance, bridge = "some-cluster", "a1", "b1"
	down := []string{subjects.Down(cluster, instance, bridge), subjects.DownAll(cluster, bridge)}
	up := []string{subjects.Up(bridge, cluster, instance), subjects.UpAll(cluster, instance)}
	switch {
	case isRole(s.Role, subjects.RoleAgent):
		agent := expand(s.Template, cluster)
		agent.able(complain, "an agent", down, up)
	case isRole(s.Role, subjects.RoleBridge):
		p := expand(s.Template, bridge)
		p.able(complain, "a bridge", append(up, subjects.NoResponders(bridge, cluster, instance, 1)), down)
	case isRole(s.Role, subjects.RoleStore):
		p := expand(s.Template, bridge)
		p.able(complain, "a bridge", literal(subjects.StoreLeastSub()), literal(subjects.StoreLeastPub()))
	}
}

// literal makes subjects of the patterns of role store, which stand for one bridge.
func literal(patterns []string) []string {
	list := fill(patterns, "b1")
	for i, p := range list {
		list[i] = strings.NewReplacer("*", "x", ">", "x").Replace(p)
	}
	return list
}

// able complains about subjects that a user needs and does not have.
func (p permissions) able(complain complaint, who string, hears, publishes []string) {
	for _, s := range hears {
		if !p.hear(s) {
			complain("%s cannot hear %s", who, s)
		}
	}
	for _, s := range publishes {
		if !p.publish(s) {
			complain("%s cannot publish to %s", who, s)
		}
	}
}

// inTree reports whether a subject or pattern may touch Fairlead's own.
func inTree(s string) bool {
	return slices.ContainsFunc([]string{"down.>", "up.>"}, func(root string) bool {
		return server.SubjectsCollide(widest(s), root)
	})
}
