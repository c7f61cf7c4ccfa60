package clientcert

import (
	"net/http"
	"net/url"
	"strings"
)

// crossSite reports whether a web page of another site makes a browser send the
// request. The browser presents its user's certificate by itself, also for a form or
// a WebSocket, which no CORS check stops; a pod's exec is one. Programs other than
// browsers send neither header.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
