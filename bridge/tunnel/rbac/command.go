package rbac

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// command is the line for a shell that would allow the request; "" if there is no
// user to name in it, or a name cannot be written in one line. user is the agent's
// own name.
func (r *Refusal) command(user string) string {
	if r.As != nil {
		user = r.As.User
	}
	i := r.Info
	for _, s := range []string{user, i.Namespace, i.Resource, i.Subresource, i.APIGroup, i.Verb} {
		if !oneLine(s) {
			return ""
		}
	}
	if user == "" {
		return ""
	}
	subject := "--user=" + quoted(user)
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		subject = "--serviceaccount=" + quoted(account)
	}
	kind, scope := "clusterrole", ""
	if i.Namespace != "" {
		kind, scope = "role", " -n "+quoted(i.Namespace)
	}
	resource := i.Resource
	if i.Subresource != "" {
		resource += "/" + i.Subresource
	}
	if role := builtin(i.APIGroup, resource, i.Verb); role != "" {
		return fmt.Sprintf("kubectl create %sbinding %s%s --clusterrole=%s %s", kind, nameOf(user, role), scope, role, subject)
	}
	if i.APIGroup != "" { // which stands before the subresource
		resource = i.Resource + "." + i.APIGroup + strings.TrimPrefix(resource, i.Resource)
	}
	name := nameOf(user, i.Verb+" "+resource)
	return fmt.Sprintf("kubectl create %[1]s %[2]s%[3]s --verb=%[4]s --resource=%[5]s && kubectl create %[1]sbinding %[2]s%[3]s --%[1]s=%[2]s %[6]s",
		kind, name, scope, quoted(i.Verb), quoted(resource), subject)
}

// nameOf names a role or binding, so that those of different users do not clash.
func nameOf(user, what string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(user + "\x00" + what))
	return fmt.Sprintf("fairlead-%08x", h.Sum32())
}

// plain reports whether a shell reads a name as it stands, and a Status has it
// without escapes.
func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c >= utf8.RuneSelf || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(":._@/-+,=", c)
	})
}

// quoted quotes a name for a POSIX shell where that is necessary.
func quoted(s string) string {
	if plain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// oneLine reports whether a name can be part of a line on a screen.
func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}
