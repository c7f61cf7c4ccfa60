package dial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// failure says why the handshake failed with err.
func (h *handshake) failure(err error, resp *http.Response, target *url.URL) error {
	if errors.Is(err, context.Canceled) {
		return errAborted
	}
	err = innermost(err) // the others show the URL, with its query
	f := classify.Error(cause.HTTPUpgrade, "WebSocket handshake with "+withoutQuery(target.String()), err)
	first := h.first.bytes()
	switch {
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		f.Cause, f.Got = cause.UpgradeRequired, "101 without the headers of a WebSocket: "+h.wrongHeaders(resp)
	case h.refusal != nil:
		h.refusal.describe(f)
	case strings.HasPrefix(string(first), greeting):
		f.Cause, f.Got = cause.NotNATS, "the server there is a NATS server's TCP port, not a WebSocket"
		f.Do = "Use tls:// for that port. If a proxy such as nginx is in front, its upstream must be the broker's WebSocket port (4223)."
	case len(first) > 0 && !h.first.isHTTP():
		f.Cause, f.Got = cause.NotNATS, "the server there does not speak HTTP: it answers "+h.dialer.said(first)
	case strings.Contains(err.Error(), "server response headers exceeded"): // net/http has no type for it
		f.Cause, f.Got = cause.HTTPStatus, fmt.Sprintf("the head of the response is over %d bytes long", maxResponseHead)
	case f.Cause == cause.Unknown && len(first) == 0: // net/http's words for it
		f.Cause = cause.ConnectionLost
		fallthrough
	case f.Cause == cause.Timeout, f.Cause == cause.ConnectionLost:
		f.Got = "no response: " + f.Got
	}
	return f
}

// wrongHeaders shows which header of a 101 is not as it must be.
func (h *handshake) wrongHeaders(resp *http.Response) string {
	for _, name := range []string{"Connection", "Upgrade"} {
		if want := map[string]string{"Connection": "upgrade", "Upgrade": "websocket"}[name]; !strings.Contains(strings.ToLower(resp.Header.Get(name)), want) {
			return name + " is " + h.dialer.said([]byte(resp.Header.Get(name)))
		}
	}
	return "Sec-WebSocket-Accept, or an extension or protocol that was not asked for"
}

// innermost leaves out what net/http and the library say about an error.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		if _, ok := err.(*net.OpError); ok {
			return err
		}
		err = next
	}
}

// nginxUpgrade are the lines that a location of nginx lacks most often.
const nginxUpgrade = "In nginx the location of the broker needs \"proxy_http_version 1.1;\", \"proxy_set_header Upgrade $http_upgrade;\" and " +
	"\"proxy_set_header Connection $fairlead_connection;\", and the http block needs \"include fairlead/upgrade-map.conf;\", " +
	"which defines that variable: nginx does not start without it (deploy/nginx)."

// misconfigured are refusals that say more than their status: those of a broker's port
// to what a proxy has made of a handshake, and those of nginx itself.
var misconfigured = []struct {
	status int
	body   string // a part of it
	cause  cause.ID
	do     string
}{
	// Of the broker's TLS, which is Go's.
	{http.StatusBadRequest, "HTTP request to an HTTPS server", cause.BadGateway,
		"A proxy in front of the broker speaks plain HTTP to a port that has TLS. In nginx it must be \"proxy_pass https://\" (deploy/nginx)."},
	// Of nginx.
	{http.StatusBadRequest, "sent to HTTPS port", cause.BadRequest,
		"The server there speaks TLS: use wss:// and not ws://."},
	{http.StatusBadRequest, "SSL certificate", cause.ClientCertificate, ""}, // it misses or refuses the client's
	{http.StatusBadRequest, "Header Or Cookie Too Large", cause.HTTPTooLarge, ""},
}

// refine makes f say what the body of the refusal tells.
func (r *Refusal) refine(f *cause.Failure) {
	if r.byBridge {
		f.Do = "This is a Fairlead bridge, the HTTP API for callers. Use the address of the broker's WebSocket: its own port (4223), or the path of the proxy in front of it (deploy/nginx: /-/fairlead/)."
		return
	}
	if r.Status == http.StatusBadRequest && r.byBroker {
		f.Cause = cause.UpgradeRequired
		f.Do = "Look in the broker's log for which of the headers Upgrade and Connection the request that reached it lacks. " + nginxUpgrade
		return
	}
	for _, m := range misconfigured {
		if r.Status == m.status && bytes.Contains(r.body, []byte(m.body)) {
			f.Cause, f.Do = m.cause, m.do
			return
		}
	}
}
