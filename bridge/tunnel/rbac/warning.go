package rbac

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// MaxWarning bounds a warning's text in bytes: it is one line on a screen, and a
// front proxy may have room for 4 KiB of headers.
const MaxWarning = 1 << 10

// MaxBody bounds how much of a response is searched, in bytes. The message of a
// Status is near its beginning, and the names in it have at most 253 bytes each.
const MaxBody = 4 << 10

// Refusal is a request to which an API server answered 403.
type Refusal struct {
	// Cluster is the cluster's name as the caller wrote it.
	Cluster string
	// As is the user as whom the agent executed the request; nil: as itself.
	As *subjects.Identity
	// Info is what the API server made of the request.
	Info *requestinfo.Info
	// Body is the beginning of the response, which may be empty. It is not changed.
	Body []byte
}

// Explains reports whether a 403 to a request can have a warning: it is the API server
// that answers it, and for an object.
func Explains(info *requestinfo.Info) bool {
	return info.IsResource && !info.Ambiguous && info.Subresource != "proxy"
}

// Warning returns the value of a Warning header, "" if there is nothing to say: it
// was not authorization that refused the request, or Body does not tell.
func (r *Refusal) Warning() string {
	if !Explains(r.Info) {
		return ""
	}
	body := r.Body[:min(len(r.Body), MaxBody)]
	text := ""
	if resource, ok := r.unimpersonated(body); ok {
		text = r.noImpersonation(resource)
	} else if user, ok := r.refused(body); ok {
		text = fmt.Sprintf("Kubernetes RBAC of cluster %s refused this request. It was executed as %s.", shown(r.Cluster), r.subject(user))
		if command := r.command(user); command != "" && len(text)+len(command) <= MaxWarning-len(toAllow) {
			text += toAllow + command
		}
	}
	if text == "" {
		return ""
	}
	value, err := net.NewWarningHeader(299, "-", text)
	if err != nil {
		return "" // shown leaves nothing that is refused
	}
	return value
}

const toAllow = " To allow it: "

// unimpersonated returns the resource that the agent may not impersonate, if that is
// why the API server refused the request.
func (r *Refusal) unimpersonated(body []byte) (resource string, ok bool) {
	const phrase = " cannot impersonate resource "
	i := bytes.Index(body, []byte(phrase))
	if i < 0 || r.As == nil {
		return "", false
	}
	rest := bytes.TrimLeft(body[i+len(phrase):], `\"`)
	end := bytes.IndexFunc(rest, func(c rune) bool { return c < 'a' || c > 'z' })
	if end < 0 {
		return "", false
	}
	return string(rest[:end]), true
}

// chartValues are the values of the agent's chart that let it impersonate, by
// resource.
var chartValues = map[string]string{
	"users": "impersonation.users", "groups": "impersonation.groups", "uids": "impersonation.uids",
	"serviceaccounts": "impersonation.serviceAccounts", "userextras": "impersonation.extras",
}

func (r *Refusal) noImpersonation(resource string) string {
	value := chartValues[resource]
	if value == "" {
		value, resource = "impersonation", "this user"
	}
	return fmt.Sprintf("The agent of cluster %s may not act as %s: Kubernetes RBAC does not give it the verb \"impersonate\" on %s. "+
		"The cluster's owner can allow it with the value %s (or impersonation.anyone) of the chart fairlead-agent.",
		shown(r.Cluster), r.subject(""), resource, value)
}

// refused returns the user that the API server names as refused, "" if that name is
// not a plain one. ok is false if it was not authorization that refused the request.
// The text is the same in JSON, where quotes are escaped, and in protobuf.
func (r *Refusal) refused(body []byte) (user string, ok bool) {
	i := bytes.Index(body, []byte(" cannot "+r.Info.Verb+" resource "))
	if i < 0 && r.Info.Verb == "get" && r.Info.APIGroup == "" && r.Info.Resource == "pods" {
		// Since Kubernetes 1.35 a WebSocket to exec, attach or portforward needs create
		// too. The role for it is the same.
		switch r.Info.Subresource {
		case "exec", "attach", "portforward":
			i = bytes.Index(body, []byte(" cannot create resource "))
		}
	}
	if i < 0 {
		return "", false
	}
	before := bytes.TrimRight(body[:i], `\"`)
	const label = "User "
	j := bytes.LastIndex(before, []byte(label))
	if j < 0 {
		return "", true
	}
	user = string(bytes.TrimLeft(before[j+len(label):], `\"`))
	if !plain(user) {
		return "", true
	}
	return user, true
}

// maxGroups bounds how many groups are shown.
const maxGroups = 5

// subject says as whom the request was executed. user is the agent's own name, ""
// if it is not known.
func (r *Refusal) subject(user string) string {
	if r.As == nil {
		if user == "" {
			return "the cluster's agent itself"
		}
		return "the cluster's agent itself, " + shown(user)
	}
	s := "user " + shown(r.As.User)
	if len(r.As.Groups) == 0 {
		return s + " without groups"
	}
	var groups []string
	for _, g := range r.As.Groups[:min(len(r.As.Groups), maxGroups)] {
		groups = append(groups, shown(g))
	}
	s += " in groups " + strings.Join(groups, ", ")
	if more := len(r.As.Groups) - maxGroups; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// maxName bounds a name that is shown, in bytes before it is quoted, so that all
// names of a warning fit in it.
const maxName = 100

// shown quotes a name for people, without control characters.
func shown(s string) string {
	if len(s) > maxName {
		return strconv.Quote(strings.ToValidUTF8(s[:maxName], "")) + "..."
	}
	return strconv.Quote(s)
}
