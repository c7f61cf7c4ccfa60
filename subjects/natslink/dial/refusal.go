package dial

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// BridgeHeader is in each error response of a bridge, by which it is told from a web
// server.
const BridgeHeader = "Fairlead-Error"

// Refusal is a response to a WebSocket handshake that is not 101. It is in the
// chain of the [cause.Failure] of such a handshake.
type Refusal struct {
	// Status is the HTTP status code.
	Status int
	// RetryAfter, RateLimitReset and Date are the headers of these names
	// (RateLimit-ResetTime), "" if absent. The other end can put anything into them.
	RetryAfter, RateLimitReset, Date string

	sent     *redact.Known // what the other end was sent, and may show
	location string
	status   string // as HTTP names it
	byBroker bool   // a broker answered, not a proxy in front of it
	byBridge bool   // a bridge of Fairlead answered
	body     []byte // its beginning
}

func (d *Dialer) newRefusal(resp *http.Response, body []byte) *Refusal {
	return &Refusal{
		sent:   d.secrets(),
		Status: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After"),
		RateLimitReset: resp.Header.Get("RateLimit-ResetTime"), Date: resp.Header.Get("Date"),
		location: resp.Header.Get("Location"), status: statusOf(resp), body: body,
		byBroker: resp.Header.Get("Sec-Websocket-Version") != "", // what it speaks, with each refusal
		byBridge: resp.Header.Get(BridgeHeader) != "",
	}
}

func (r *Refusal) said(b []byte) string { return cause.Said(r.sent.Bytes(b)) }

// Error says what the response was.
func (r *Refusal) Error() string {
	text := "answered with " + r.status + ", not 101"
	if r.location != "" {
		text += ", Location " + r.said([]byte(withoutQuery(r.location)))
	}
	if r.RetryAfter != "" {
		text += ", Retry-After " + r.said([]byte(r.RetryAfter))
	}
	if r.RateLimitReset != "" {
		text += ", RateLimit-ResetTime " + r.said([]byte(r.RateLimitReset))
	}
	if body := r.said(r.body); body != `""` {
		text += ": " + body
	}
	return text
}

// describe makes f the failure of this refusal.
func (r *Refusal) describe(f *cause.Failure) {
	f.Cause, f.Got, f.Err = r.cause(), r.Error(), r
	r.refine(f)
}

func (r *Refusal) cause() cause.ID {
	switch r.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return cause.Redirected
	case http.StatusBadRequest:
		return cause.BadRequest
	case http.StatusUnauthorized:
		return cause.HTTPUnauthorized
	case http.StatusForbidden:
		return cause.HTTPForbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return cause.HTTPNotFound
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return cause.HTTPTooLarge
	case http.StatusUpgradeRequired:
		return cause.UpgradeRequired
	case http.StatusTooManyRequests:
		return cause.RateLimited
	case http.StatusServiceUnavailable:
		if r.RetryAfter != "" || r.RateLimitReset != "" {
			return cause.RateLimited
		}
		return cause.BadGateway
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return cause.BadGateway
	}
	if r.Status >= 200 && r.Status <= 299 {
		return cause.HTTPOK
	}
	return cause.HTTPStatus
}

// withoutQuery removes what could be a token.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "(unreadable)"
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.User = "", false, "", nil
	return u.String()
}

// otherForm returns the URL to try instead of the one that was refused, if the
// response is a redirect to it or a 404.
func (r *Refusal) otherForm(of *url.URL) (*url.URL, bool) {
	if strings.Trim(of.Path, "/") == "" {
		return nil, false
	}
	other := *of
	if strings.HasSuffix(of.Path, "/") {
		other.Path, other.RawPath = strings.TrimSuffix(of.Path, "/"), strings.TrimSuffix(of.RawPath, "/")
	} else {
		other.Path += "/"
		if other.RawPath != "" {
			other.RawPath += "/"
		}
	}
	switch r.Status {
	case http.StatusNotFound:
		return &other, true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		// Behind further proxies scheme and host are often wrong. They do not
		// matter, since the same server is asked again.
		to, err := url.Parse(r.location)
		if err != nil {
			return nil, false
		}
		// A broker redirects "//" to "/": that is what nginx makes of the slash at the
		// end if proxy_pass has one too many.
		byBroker := r.location == "/" && strings.HasSuffix(of.Path, "/")
		return &other, byBroker || to.EscapedPath() == other.EscapedPath()
	}
	return nil, false
}

// yieldsTo reports whether the failure of the path's other form says more than r, which
// led there. A redirect names the form that exists. After a 404 the other form is a
// guess, and may not exist either.
func (r *Refusal) yieldsTo(other error) bool {
	if r.Status != http.StatusNotFound {
		return true
	}
	refusal, ok := errors.AsType[*Refusal](other)
	if !ok {
		return true
	}
	if _, waits := refusal.Wait(time.Now()); waits {
		return true
	}
	id := refusal.cause()
	return id != cause.HTTPNotFound && id != cause.Redirected
}
