package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
)

// authStyle says how the client presents itself. The way is never tried out: a code
// is good for one attempt.
func authStyle(secret string, methods []string) (oauth2.AuthStyle, error) {
	has := func(method string) bool { return slices.Contains(methods, method) }
	switch {
	case secret == "" || has("client_secret_post"):
		return oauth2.AuthStyleInParams, nil
	case len(methods) == 0 || has("client_secret_basic"): // the default of OpenID Connect Discovery
		return oauth2.AuthStyleInHeader, nil
	}
	return 0, errors.New("it takes a client's secret neither by client_secret_basic nor by client_secret_post")
}

// present adds the client's secret to a request for an endpoint at which the OAuth
// library does not: those of devices and of revocation. The form's client_id is there
// already.
func (c *Client) present(form url.Values, header http.Header) {
	switch {
	case c.config.ClientSecret == "":
	case c.config.Endpoint.AuthStyle == oauth2.AuthStyleInParams:
		form.Set("client_secret", c.config.ClientSecret)
	default:
		r := http.Request{Header: header}
		r.SetBasicAuth(url.QueryEscape(c.config.ClientID), url.QueryEscape(c.config.ClientSecret)) // RFC 6749, section 2.3.1
	}
}

// presenting is a transport that adds headers to requests, and ends them with ctx: the
// OAuth library forgets it for some.
type presenting struct {
	ctx    context.Context
	header http.Header
	next   http.RoundTripper
}

func (p *presenting) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(p.ctx)
	for name, values := range p.header {
		r.Header[name] = values
	}
	return p.next.RoundTrip(r)
}
