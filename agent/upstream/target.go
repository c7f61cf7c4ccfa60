package upstream

import (
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// Target returns the URL whose request target is byte for byte t, below the
// API server's path prefix if it has one.
func (u *Client) Target(t string) (*url.URL, error) {
	out := &url.URL{Scheme: u.base.Scheme, Host: u.base.Host}
	if u.base.Path != "" && leavesPrefix(t) {
		path, _, _ := strings.Cut(t, "?") // a query is not for logs
		return nil, fault.Newf(subjects.CodeBadRequest, "path %.200q holds dot segments", path)
	}
	t = u.base.Path + t
	if !strings.HasPrefix(t, "//") {
		out.Opaque = t // written as it is
		return out, nil
	}
	parsed, err := url.ParseRequestURI(t)
	if err != nil {
		return nil, fault.Newf(subjects.CodeBadRequest, "path cannot be parsed") // err quotes the query
	}
	out.Path, out.RawPath, out.RawQuery, out.ForceQuery = parsed.Path, parsed.RawPath, parsed.RawQuery, parsed.ForceQuery
	return out, nil
}

// leavesPrefix reports whether a path could be normalised to one outside of
// the prefix that is put before it.
func leavesPrefix(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	if !strings.ContainsAny(path, ".%\\") {
		return false
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return true
	}
	for segment := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
