package dial

import (
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
		f.Cause, f.Got = cause.UpgradeRequired, "101 without the headers of a WebSocket: "+wrongHeaders(resp)
	case h.refusal != nil:
		h.refusal.describe(f)
	case strings.HasPrefix(string(first), greeting):
		f.Cause, f.Got = cause.NotNATS, "the server there is a NATS server's TCP port, not a WebSocket"
	case len(first) > 0 && !h.first.isHTTP():
		f.Cause, f.Got = cause.NotNATS, "the server there does not speak HTTP: it answers "+said(first)
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
func wrongHeaders(resp *http.Response) string {
	for _, name := range []string{"Connection", "Upgrade"} {
		if want := map[string]string{"Connection": "upgrade", "Upgrade": "websocket"}[name]; !strings.Contains(strings.ToLower(resp.Header.Get(name)), want) {
			return name + " is " + said([]byte(resp.Header.Get(name)))
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
