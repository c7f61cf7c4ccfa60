package tunnel

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// StripRequest removes the parts of a request's header that must not reach an API
// server. It works in place: the server's handler is the last that reads the header.
//
//   - Credentials of the caller: Authorization, and a bearer token among the
//     WebSocket subprotocols. The agent has its own.
//   - Headers that claim an identity: Impersonate-*, and the X-Remote-* of
//     request header authentication. Package access has refused requests with
//     the former; this is a second barrier.
//   - Cookies: they belong to the host that the platform serves, not to a
//     cluster, which must neither see nor set them. No Kubernetes client uses
//     any.
//   - Forwarded, X-Forwarded-*, X-Real-Ip: they are unverified, and the API
//     server would believe them in its audit log. None are added: the bridge's
//     log has the caller under the request id.
//   - Hop-by-hop headers, what Connection names, and what the head carries in
//     fields of its own.
func StripRequest(h http.Header) {
	named := h["Connection"]
	for k := range h {
		if dropRequest(k) {
			delete(h, k)
		}
	}
	subjects.StripNamed(h, named)
	subjects.StripBearerProtocol(h)
}

func dropRequest(k string) bool {
	switch k {
	case "Authorization", "Cookie", "X-Request-Id", "Content-Length", "Expect", "Forwarded", "X-Real-Ip", "Host":
		return true
	}
	return subjects.HopByHop(k) || subjects.ClaimsIdentity(k) || strings.HasPrefix(k, "X-Forwarded-")
}

// upgradeType returns the protocol that a request asks to switch to, "" for
// none. h2c is ignored: a proxy must not forward it (RFC 9113 section 3.1), and
// it would be a way around everything that is checked here.
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
// headers that concern one connection, that the head carries in a field of its own,
// or that speak for the whole host, which is the bridge's and not the cluster's.
func copyResponse(dst, src http.Header, prefix string) {
	subjects.StripNamed(src, src["Connection"])
	for k, vv := range src {
		switch k {
		case "Content-Length", "X-Request-Id", answer.Header:
		case "Location", "Content-Location":
			for _, v := range vv {
				dst[k] = append(dst[k], prefixed(prefix, v))
			}
		case "Vary":
			dst[k] = append(dst[k], vv...) // the bridge may have said that the origin matters
		default:
			if !subjects.HopByHop(k) && !forHost(k) {
				dst[k] = vv
			}
		}
	}
}

// forHost reports whether a response header speaks for the whole host that the
// bridge is served at, or gives orders to a reverse proxy before it (to serve
// a file of its own, for one): no cluster may do either.
func forHost(k string) bool {
	switch k {
	case "Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed",
		"Nel", "Report-To", "Reporting-Endpoints", "Expect-Ct", "Public-Key-Pins", "Public-Key-Pins-Report-Only",
		"X-Sendfile", "X-Lighttpd-Send-File", "X-Lighttpd-Send-Tempfile", "X-Reproxy-Url", "Gitlab-Workhorse-Send-Data":
		return true
	}
	return strings.HasPrefix(k, "X-Accel-") || strings.HasPrefix(k, "Access-Control-")
}

// confineRedirect keeps a redirect with its cluster. Clients follow one with the
// caller's token, and with the method and the body where the status is 307 or
// 308, so a cluster could get the token sent to a host of its own, or a request
// made of another cluster. A reference is resolved here as a client of the API
// server would, which leads nowhere above its root; one that names a host, or
// that clients read in different ways, is taken out.
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
		switch segment = strings.ReplaceAll(segment, "%2e", "."); {
		case segment == ".", segment == "..", strings.ContainsAny(segment, "\\"), strings.Contains(segment, "%5c"):
			return
		}
	}
	u.Path, u.RawPath = "", ""
	// A reference that begins with two slashes would name a host in prefixed.
	h["Location"] = []string{"/" + strings.TrimLeft(path, "/") + u.String()}
}

// prefixed puts the cluster's prefix before a reference that begins at the root
// of the API server. Others are left: a relative one needs none, and an
// absolute URL names another host.
func prefixed(prefix, ref string) string {
	if !strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "//") {
		return ref
	}
	return prefix + ref
}

// extensions are those of the request's head; nil where there are none.
func (to *Destination) extensions() (all []subjects.Extension, err error) {
	if to.As != nil {
		e, err := to.As.Extension()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if to.Review {
		all = append(all, subjects.Extension{ID: subjects.ExtensionReview})
	}
	return all, nil
}
