package tunnel

import (
	"net/http"
	"net/url"
	"strings"
)

// confineRedirect keeps a redirect within its cluster. Clients follow a redirect
// with the caller's token, and after a 307 or 308 with the method and the body too.
// Without this a cluster could have the token sent to a host of its choice, or a
// request sent to another cluster. The reference is resolved here as a client of the
// API server would resolve it, so it cannot lead above the server's root. A
// reference that names a host, or that clients read in different ways, is removed.
func confineRedirect(h http.Header, target string) {
	v := h["Location"]
	delete(h, "Location")
	base, err := url.ParseRequestURI(target)
	if len(v) != 1 || err != nil {
		return
	}
	ref, err := url.Parse(v[0])
	if err != nil || ref.Scheme != "" || ref.Host != "" || ref.User != nil || ref.Opaque != "" || strings.HasPrefix(v[0], "//") {
		return
	}
	u := base.ResolveReference(ref)
	path := u.EscapedPath()
	for segment := range strings.SplitSeq(strings.ToLower(path), "/") {
		segment = strings.ReplaceAll(segment, "%2e", ".")
		if segment == "." || segment == ".." || strings.Contains(segment, `\`) || strings.Contains(segment, "%5c") {
			return
		}
	}
	u.Path, u.RawPath = "", ""
	// A reference that begins with two slashes would name a host in prefixed.
	h["Location"] = []string{"/" + strings.TrimLeft(path, "/") + u.String()}
}

// prefixed puts the cluster's prefix before a reference that begins at the root
// of the API server. It leaves other references as they are: a relative one needs no
// prefix, and an absolute URL names another host.
func prefixed(prefix, ref string) string {
	if !strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "//") {
		return ref
	}
	return prefix + ref
}
