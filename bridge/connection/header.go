package connection

import (
	"net/http"
	"strings"
)

// innerFields are the header fields of a request within a connection that are its own. They
// are those that clients of Kubernetes send, and none that a front proxy could vouch for:
// an attachment that came through one is trusted for its own header only.
var innerFields = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Cache-Control": true, "Connection": true, "Content-Encoding": true,
	"Content-Length": true, "Content-Type": true, "If-Match": true, "If-None-Match": true, "If-Modified-Since": true,
	"Kubectl-Command": true, "Kubectl-Session": true, "Range": true, "Sec-Websocket-Extensions": true,
	"Sec-Websocket-Key": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Version": true, "Te": true,
	"Traceparent": true, "Tracestate": true, "Trailer": true, "Upgrade": true, "User-Agent": true,
	"X-Request-Id": true, "X-Stream-Protocol-Version": true,
	"Impersonate-User": true, "Impersonate-Group": true, "Impersonate-Uid": true,
}

// impersonateExtra begins the fields of which a client names the rest.
const impersonateExtra = "Impersonate-Extra-"

// hopFields concern the connection of the attachment alone.
var hopFields = map[string]bool{
	"Keep-Alive": true, "Origin": true, "Proxy-Connection": true, "Transfer-Encoding": true,
}

func ofInner(field string) bool {
	return innerFields[field] || strings.HasPrefix(field, impersonateExtra)
}

// merge returns the header of a request within a connection: the inner one's own fields, and
// all others of the attachment's.
func merge(inner, outer http.Header) http.Header {
	h := make(http.Header, len(inner)+len(outer))
	for k, v := range outer {
		if !ofInner(k) && !hopFields[k] {
			h[k] = v
		}
	}
	for k, v := range inner {
		if ofInner(k) {
			h[k] = v
		}
	}
	return h
}
