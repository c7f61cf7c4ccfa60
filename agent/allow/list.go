package allow

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Request is what a [List] judges.
type Request struct {
	Method string
	Target string // the caller's, below any path prefix of the API server
	// Upgrade reports whether the request asks to switch protocols.
	Upgrade bool
	// As is the user as whom it is to be executed; nil: as the agent itself.
	As *subjects.Identity
}

// List is what the owner of a cluster allows. It is never changed, and safe for
// concurrent use.
type List struct {
	config
	own string
}

// judge says why the list does not allow a request, of which info is what an API server
// makes of it; nil: it does.
func (l *List) judge(r *Request, info *requestinfo.Info) *Refusal {
	if refusal := l.As.judge(r.As, l.own); refusal != nil {
		return refusal
	}
	refusal := l.judgeRequest(r, info)
	if refusal != nil && r.As != nil {
		refusal.text += fmt.Sprintf(", for user %.100q", r.As.User)
	}
	return refusal
}

func malformed() *Refusal {
	return refuse(reasonAmbiguous, "paths", "the request's target is not a path that an API server serves")
}

func (l *List) judgeRequest(r *Request, info *requestinfo.Info) *Refusal {
	reads := reads(r, info)
	switch {
	case info.Ambiguous || hidesResource(info):
		return refuse(reasonAmbiguous, "paths", "the path can be read in more than one way: write it without encoded or double slashes, dot segments and prefixes")
	case !fits(r.Method, info):
		return refuse(reasonMethod, "verbs", "method %.20q does not fit the path", r.Method)
	case l.Exec != nil && !*l.Exec && executes(r, info):
		return refuse(reasonExec, "exec: false", "%s reaches into a container or behind the API server", describe(r, info))
	case l.Secrets != nil && !*l.Secrets && revealsSecrets(info):
		return refuse(reasonSecrets, "secrets: false", "%s reveals Secrets or tokens", describe(r, info))
	case l.ReadOnly != nil && *l.ReadOnly && !reads:
		return refuse(reasonReadOnly, "readOnly: true", "%s is more than reading", describe(r, info))
	}
	guarded := l.guarded(r, info)
	if l.Requests == nil && guarded == "" {
		return nil
	}
	if l.rule(r, info) >= 0 {
		return nil
	}
	if guarded != "" {
		return refuse(reasonOwnNamespace, "requests", "%s is a change in the agent's own namespace, and no rule allows it that names this namespace", describe(r, info))
	}
	return refuse(reasonRequests, "requests", "none of %d rules allows %s", len(l.Requests), describe(r, info))
}

// guarded is the agent's own namespace for a request that would change something in it,
// "" for every other.
func (l *List) guarded(r *Request, info *requestinfo.Info) string {
	if l.own != "" && info.Namespace == l.own && !reads(r, info) {
		return l.own
	}
	return ""
}

// rule returns the index of the first rule under requests that allows a request, -1 for
// none.
func (l *List) rule(r *Request, info *requestinfo.Info) int {
	guarded, verbs := l.guarded(r, info), verbsOf(verbOf(r, info))
	if !info.IsResource && info.Verb == "head" {
		verbs |= verbsOf("get")
	}
	for i := range l.Requests {
		if l.Requests[i].allows(info, verbs, guarded) {
			return i
		}
	}
	return -1
}

// readVerbs are Kubernetes' own for what changes nothing.
var readVerbs = []string{"get", "list", "watch"}

// fits reports whether a method can have the verb that the path gives it. An API server
// takes the verb of /api/v1/watch/... from the path, whatever the method is.
func fits(method string, info *requestinfo.Info) bool {
	switch method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return info.Verb != "" && !(info.IsResource && slices.Contains(readVerbs, info.Verb))
	}
	return false
}

// executes reports whether a request runs something in a container, or is answered by
// something else than the API server.
func executes(r *Request, info *requestinfo.Info) bool {
	if !info.IsResource {
		return r.Upgrade
	}
	switch info.Subresource {
	case "exec", "attach", "portforward", "ephemeralcontainers", "proxy":
		return true
	case "log":
		return false // WebSocket clients read logs by an upgrade too
	}
	return info.Verb == "proxy" || r.Upgrade && info.Verb != "watch"
}

// runs reports whether a subresource of the core group runs commands in a cluster or
// connects to its pods. That of nodes/proxy is the kubelet, which does so in all its
// pods.
func runs(resource, sub string) bool {
	switch sub {
	case "exec", "attach", "portforward":
		return resource == "pods" || resource == "*"
	case "proxy":
		return resource == "nodes"
	}
	return false
}

// verbOf returns the verb that a rule needs. WebSocket clients reach pods/exec with GET
// and SPDY clients with POST, so that Kubernetes' own verb does not tell reading from
// writing there.
func verbOf(r *Request, info *requestinfo.Info) string {
	connects := r.Upgrade && info.Subresource != "proxy" && executes(r, info)
	if info.IsResource && info.Verb == "get" && (connects || info.APIGroup == "" && runs(info.Resource, info.Subresource)) {
		return "create"
	}
	return info.Verb
}

// reads reports whether a request changes nothing, in the cluster or behind the API
// server.
func reads(r *Request, info *requestinfo.Info) bool {
	if executes(r, info) {
		return false
	}
	if r.Method == http.MethodPost {
		return asksAboutItself(info)
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(!info.IsResource || slices.Contains(readVerbs, info.Verb))
}

// asksAboutItself reports whether a request creates one of the reviews that store
// nothing and answer only what the caller itself is and may do.
func asksAboutItself(info *requestinfo.Info) bool {
	if info.Verb != "create" || info.Subresource != "" {
		return false
	}
	switch info.APIGroup + "/" + info.Resource {
	case "authorization.k8s.io/selfsubjectaccessreviews", "authorization.k8s.io/selfsubjectrulesreviews",
		"authentication.k8s.io/selfsubjectreviews":
		return true
	}
	return false
}

// revealsSecrets reports whether a request has a Secret or a token in its answer. That
// of a change has one too.
func revealsSecrets(info *requestinfo.Info) bool {
	return info.Resource == "secrets" || info.Resource == "serviceaccounts" && info.Subresource == "token"
}

// hidesResource reports whether a path that is not that of a resource may be one behind
// a prefix, as some servers in front of several API servers have.
func hidesResource(info *requestinfo.Info) bool {
	if info.IsResource || strings.HasPrefix(info.Path, "/openapi/") {
		return false
	}
	return strings.Contains(info.Path[min(1, len(info.Path)):], "/api/") || strings.Contains(info.Path[min(1, len(info.Path)):], "/apis/")
}

// describe says what a request does, with the verb that a rule needs for it.
func describe(r *Request, info *requestinfo.Info) string {
	if !info.IsResource {
		return fmt.Sprintf("%.20q of the path %.100q", info.Verb, info.Path)
	}
	what := info.Resource
	if info.APIGroup != "" {
		what += "." + info.APIGroup
	}
	if info.Subresource != "" {
		what += "/" + info.Subresource
	}
	text := fmt.Sprintf("%q of %.100q", verbOf(r, info), what)
	if info.Namespace != "" {
		text += fmt.Sprintf(" in namespace %.63q", info.Namespace)
	}
	return text
}
