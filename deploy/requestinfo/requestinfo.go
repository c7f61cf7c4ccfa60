package requestinfo

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// Info is what an API server makes of a request's method and target. It is not
// changed once it has been made.
type Info struct {
	// Verb is that of Kubernetes (get, list, watch, create, update, patch, delete,
	// deletecollection, proxy) where IsResource is set, else the method in lower case.
	Verb string
	// Path is the decoded path of the request, without the query.
	Path string
	// IsResource reports whether the request is for a resource; otherwise the fields
	// below are empty, as for /version or /healthz.
	IsResource bool
	APIGroup   string // "" for the core group
	APIVersion string
	Namespace  string // "" for what has no namespace, and for all namespaces
	Resource   string
	// Subresource is "exec" for pods/exec.
	Subresource string
	Name        string // "" for collections
	// FieldSelector and LabelSelector are as the query has them.
	FieldSelector, LabelSelector string
	// Ambiguous reports whether the path has a slash, backslash or dot segment that
	// a server may decode or clean before it decides. Such a request must not pass a
	// rule that looks at the path.
	Ambiguous bool
}

var factory = &request.RequestInfoFactory{
	APIPrefixes:          sets.NewString("api", "apis"),
	GrouplessAPIPrefixes: sets.NewString("api"),
}

// kept are the results for requests that are made again and again.
var kept = newMemo()

// Parse reads a method and an origin-form target, a path that may have a query.
func Parse(method, target string) (*Info, error) {
	if info := kept.get(method, target); info != nil {
		return info, nil
	}
	method, target = strings.Clone(method), strings.Clone(target) // which may be parts of a whole head
	info, err := parse(method, target)
	if err == nil {
		kept.put(method, target, info)
	}
	return info, err
}

func parse(method, target string) (*Info, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(target, "/") {
		return nil, fmt.Errorf("request target is not a path with a query")
	}
	ri, err := factory.NewRequestInfo(&http.Request{Method: method, URL: u})
	if err != nil {
		return nil, fmt.Errorf("request target: %w", err)
	}
	info := &Info{
		Verb: ri.Verb, Path: ri.Path, IsResource: ri.IsResourceRequest,
		APIGroup: ri.APIGroup, APIVersion: ri.APIVersion, Namespace: ri.Namespace,
		Resource: ri.Resource, Subresource: ri.Subresource, Name: ri.Name,
		FieldSelector: ri.FieldSelector, LabelSelector: ri.LabelSelector,
	}
	info.Ambiguous = ambiguous(u, info)
	return info, nil
}

// ambiguous judges the part of the path on which authorization decides. The part after
// a /proxy subresource belongs to the server behind it, except that dot segments in
// it may still be resolved on the way.
func ambiguous(u *url.URL, info *Info) bool {
	if u.RawPath == "" && plain(u.Path) {
		return false
	}
	raw, segments := strings.Split(u.EscapedPath(), "/"), strings.Split(u.Path, "/")
	decides := len(segments)
	if info.proxied() {
		decides = min(decides, info.proxyAt()+1)
	}
	for i, segment := range segments {
		if segment == "." || segment == ".." {
			return true
		}
		if i >= decides {
			continue
		}
		empty := segment == "" && i > 0 && i < len(segments)-1
		if empty || strings.ContainsFunc(segment, misread) || i >= len(raw) || strings.Contains(strings.ToLower(raw[i]), "%2f") {
			return true
		}
	}
	return false
}

// plain reports that nothing in a path that has no escapes can make it ambiguous, as
// for nearly all requests.
func plain(path string) bool {
	for i := range len(path) {
		c := path[i]
		if c < ' ' || c >= 0x7f || c == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
		switch c {
		case '\\', ';', '%', '?', '#':
			return false
		}
	}
	return true
}

// misread reports whether servers read a character of a decoded segment in different
// ways: they may decode it twice, or take it for a delimiter. No name that Kubernetes
// allows has one.
func misread(c rune) bool { return c < ' ' || c == 0x7f || strings.ContainsRune("\\;%?#", c) }

// proxied reports whether the API server passes the rest of the path on.
func (i *Info) proxied() bool { return i.IsResource && i.Subresource == "proxy" }

// proxyAt is the index of the segment "proxy" in a path that is proxied.
func (i *Info) proxyAt() int {
	at := len([]string{"", "api", "v1", "pods", "name"})
	if i.APIGroup != "" {
		at++
	}
	if i.Namespace != "" {
		at += len([]string{"namespaces", "name"})
	}
	return at
}
