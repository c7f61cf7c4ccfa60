package tunnel

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// PassRequest adds to dst, which is empty, the fields of a request's header that may
// reach an API server. It leaves h as it is: a request whose rules change while it runs
// is authenticated again by what it sent. It leaves out:
//
//   - Credentials of the caller: Authorization, and a bearer token among the
//     WebSocket subprotocols. The agent has its own.
//   - Headers that claim an identity: Impersonate-*, the X-Remote-* of request
//     header authentication, and those with client certificates. Package access
//     has refused requests with the first; this is a second barrier.
//   - Cookies: they belong to the platform's host. A cluster must neither see nor
//     set them, and no Kubernetes client uses cookies.
//   - Forwarded, X-Forwarded-*, X-Real-Ip: they are unverified, and the API
//     server would trust them in its audit log. None are added: the bridge's
//     log has the caller under the request id.
//   - Hop-by-hop headers, the headers that Connection names, and those that the
//     head carries separately.
func PassRequest(dst, h http.Header) {
	for k, vv := range h {
		if !dropRequest(k) {
			dst[k] = vv
		}
	}
	subjects.StripNamed(dst, h["Connection"])
	subjects.StripBearerProtocol(dst)
}

func dropRequest(k string) bool {
	switch k {
	case "Authorization", "Cookie", "X-Request-Id", "Content-Length", "Expect", "Forwarded", "X-Real-Ip", "Host":
		return true
	}
	return subjects.HopByHop(k) || subjects.ClaimsIdentity(k) || strings.HasPrefix(k, "X-Forwarded-")
}

// upgradeType returns the protocol that a request asks to switch to, "" for
// none. h2c is ignored: a proxy must not forward it (RFC 9113 section 3.1), and its
// requests would bypass every check of the bridge.
func upgradeType(r *http.Request) string {
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 {
		return ""
	}
	v := r.Header["Upgrade"]
	if len(v) != 1 || !subjects.HasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	if t := strings.TrimSpace(v[0]); !strings.EqualFold(t, "h2c") {
		return t
	}
	return ""
}

// copyResponse adds the header of an API server's response to dst. It leaves out
// fields that concern one connection, those that the head carries separately, and
// those that apply to the whole host, which is the bridge's and not the cluster's.
func copyResponse(dst, src http.Header, prefix string) {
	subjects.StripNamed(src, src["Connection"])
	for k, vv := range src {
		switch k {
		case "Content-Length", "X-Request-Id", answer.Header:
		case "Location", "Content-Location":
			for _, v := range vv {
				dst[k] = append(dst[k], prefixed(prefix, v))
			}
		case "Vary", "Content-Security-Policy": // the bridge may have added some of its own
			dst[k] = append(dst[k], vv...)
		default:
			if !subjects.HopByHop(k) && !forHost(k) {
				dst[k] = vv
			}
		}
	}
}

// forHost reports whether a response header applies to more than the response it
// comes with: to the whole origin that serves the bridge, to its site, or to a reverse
// proxy in front of it, for example to serve one of the proxy's own files. No cluster
// may speak for these. A challenge is among them: a browser would ask for a password in
// the name of the bridge's host, and send it to all of it from then on.
func forHost(k string) bool {
	switch k {
	case "Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed",
		"Nel", "Report-To", "Reporting-Endpoints", "Expect-Ct", "Public-Key-Pins", "Public-Key-Pins-Report-Only",
		"Www-Authenticate", "Authentication-Info", "Refresh", "Origin-Agent-Cluster", "Accept-Ch", "Critical-Ch",
		"Speculation-Rules", "No-Vary-Search", "Use-As-Dictionary", "Set-Login", "Shared-Storage-Write",
		"Sec-Session-Registration", "Secure-Session-Registration", "Secure-Session-Challenge", "X-Permitted-Cross-Domain-Policies",
		"X-Sendfile", "X-Lighttpd-Send-File", "X-Lighttpd-Send-Tempfile", "X-Reproxy-Url", "Gitlab-Workhorse-Send-Data":
		return true
	}
	return strings.HasPrefix(k, "X-Accel-") || strings.HasPrefix(k, "Access-Control-")
}

// extensions are those of the request's head; nil where there are none.
func (to *Destination) extensions() (all []subjects.Extension, err error) {
	if to.As != nil {
		if all, err = to.As.Extensions(); err != nil {
			return nil, err
		}
	}
	if to.Review {
		all = append(all, subjects.Extension{ID: subjects.ExtensionReview})
	}
	return all, nil
}

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
