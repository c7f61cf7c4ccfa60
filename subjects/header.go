package subjects

import (
	"net/http"
	"strings"
)

// Both ends clean the headers that pass through them by the rules of this file:
// a bridge, so that a cluster does not see its caller's credentials; an agent,
// since it does not rely on the bridge for that. Header names are in canonical
// form ([http.CanonicalHeaderKey]), as in every [http.Header].

// BearerProtocol is the prefix of the WebSocket subprotocol in which browsers,
// which cannot set a header, send a bearer token to an API server. The token
// follows in unpadded base64url.
const BearerProtocol = "base64url.bearer.authorization.k8s.io."

// HasToken reports whether comma-separated lines of a header hold a token, in
// any case.
func HasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// HopByHop reports whether a header concerns one connection only, whatever its
// Connection header says (RFC 9110 section 7.6.1, and those that predate it).
// Trailer is not one of them: it describes the message.
func HopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Authentication-Info", "Te", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// StripNamed removes from h the headers that the lines of a Connection header
// name. The lines are passed apart from h, so that they can be read before
// Connection itself is removed.
func StripNamed(h http.Header, connection []string) {
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				delete(h, http.CanonicalHeaderKey(name))
			}
		}
	}
}

// Impersonates reports whether a header asks an API server to act as another
// user. Anything that begins with "Impersonate" counts: some servers read
// Impersonate_User as Impersonate-User, and no other header begins so.
func Impersonates(name string) bool { return hasPrefixFold(name, "impersonate") }

// ClaimsIdentity reports whether a header names the user of a request without
// proof: it impersonates, or it is one of those (X-Remote-User and the like) by
// which an authenticating proxy names the caller or passes on its client
// certificate. Neither bridge nor agent passes one on.
func ClaimsIdentity(name string) bool {
	if Impersonates(name) {
		return true
	}
	for _, prefix := range proxyPrefixes {
		if hasPrefixFold(name, prefix) {
			return true
		}
	}
	return false
}

// proxyPrefixes begin the headers of authenticating proxies.
var proxyPrefixes = [...]string{
	"x-remote-",
	"client-cert", // RFC 9440, and Client-Cert-Chain
	"x-client-cert", "ssl-client-", "x-ssl-client-",
	"x-forwarded-client-cert", "x-forwarded-tls-client-cert", "x-amzn-mtls-clientcert",
}

// hasPrefixFold reports whether a header's name begins with prefix, which is
// in lower case. Underscores count as hyphens: gateway interfaces (CGI, WSGI)
// cannot tell them apart.
func hasPrefixFold(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_':
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// StripBearerProtocol removes bearer tokens from the WebSocket subprotocols
// that h offers. The others keep their lines and their order.
func StripBearerProtocol(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	lines, ok := h[name]
	if !ok {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		if !strings.Contains(line, BearerProtocol) {
			kept = append(kept, line)
			continue
		}
		var protocols []string
		for p := range strings.SplitSeq(line, ",") {
			if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, BearerProtocol) {
				protocols = append(protocols, p)
			}
		}
		if len(protocols) > 0 {
			kept = append(kept, strings.Join(protocols, ", "))
		}
	}
	if len(kept) == 0 {
		delete(h, name)
		return
	}
	h[name] = kept
}
