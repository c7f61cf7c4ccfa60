package tunnel

import (
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// StripRequest removes from a request's header the fields that must not reach an
// API server. It changes h, which nothing else reads afterwards.
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
		case "Vary":
			dst[k] = append(dst[k], vv...) // the bridge may have added Origin
		default:
			if !subjects.HopByHop(k) && !forHost(k) {
				dst[k] = vv
			}
		}
	}
}

// forHost reports whether a response header applies to the whole host that serves
// the bridge, or commands a reverse proxy in front of it, for example to serve one
// of the proxy's own files. No cluster may do either.
func forHost(k string) bool {
	switch k {
	case "Set-Cookie", "Set-Cookie2", "Strict-Transport-Security", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed",
		"Nel", "Report-To", "Reporting-Endpoints", "Expect-Ct", "Public-Key-Pins", "Public-Key-Pins-Report-Only",
		"X-Sendfile", "X-Lighttpd-Send-File", "X-Lighttpd-Send-Tempfile", "X-Reproxy-Url", "Gitlab-Workhorse-Send-Data":
		return true
	}
	return strings.HasPrefix(k, "X-Accel-") || strings.HasPrefix(k, "Access-Control-")
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
