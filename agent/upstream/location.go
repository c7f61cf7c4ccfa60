package upstream

import (
	"net/http"
	"net/url"
	"strings"
)

// RelativizeLocations makes references in a response's header relative to the
// API server if they name it by the host that the agent uses, and removes the
// path prefix that the agent has put before the request's path. The bridge then
// puts them under the cluster's path. Every other reference is left as it is,
// for the bridge to remove: see docs/decisions/0008.
func (u *Client) RelativizeLocations(h http.Header) {
	for _, name := range [...]string{"Location", "Content-Location"} {
		for i, v := range h[name] {
			h[name][i] = u.relative(v)
		}
	}
}

// relative returns v as a path with query and fragment, byte for byte, if it
// certainly means the API server; v otherwise.
func (u *Client) relative(v string) string {
	ref, err := url.Parse(v)
	if err != nil || ref.Opaque != "" || ref.User != nil {
		return v
	}
	path := v
	if ref.Host != "" {
		if !u.isSelf(ref) {
			return v
		}
		_, after, _ := strings.Cut(v, "//")
		ok := false
		if path, ok = strings.CutPrefix(after, ref.Host); !ok { // not written as it reads
			return v
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path // nothing, a query or a fragment
		}
	}
	// Two slashes would begin another host, and clients read a backslash as one.
	if strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		return v
	}
	return u.withoutPrefix(path, v)
}

// withoutPrefix takes the API server's path prefix off a path that begins with
// it; it returns whole for one that is not certain to stay below it.
func (u *Client) withoutPrefix(path, whole string) string {
	if u.base.Path == "" || !strings.HasPrefix(path, "/") {
		return path
	}
	rest, ok := strings.CutPrefix(path, u.base.Path)
	plain, _, _ := strings.Cut(path, "#")
	if !ok || strings.HasPrefix(rest, "//") || leavesPrefix(plain) {
		return whole
	}
	switch {
	case strings.HasPrefix(rest, "/"):
		return rest
	case rest == "", strings.HasPrefix(rest, "?"), strings.HasPrefix(rest, "#"):
		return "/" + rest
	}
	return whole // a longer name that begins in the same way
}

// isSelf reports whether an absolute reference, or one that takes over the
// scheme, names the host that the agent talks to.
func (u *Client) isSelf(ref *url.URL) bool {
	scheme := ref.Scheme // url.Parse has made it lower case
	if scheme == "" {
		scheme = u.base.Scheme
	}
	return scheme == u.base.Scheme && strings.EqualFold(ref.Hostname(), u.base.Hostname()) &&
		portOf(ref.Port(), scheme) == portOf(u.base.Port(), scheme)
}

func portOf(port, scheme string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	}
	return "80"
}
