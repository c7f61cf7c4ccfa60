package redact

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Transport is an [http.RoundTripper] whose errors do not show what it sent to
// authenticate: the credentials of a forward proxy, and the request's Authorization.
// net/http puts the reason phrase of a proxy, and a status line that is not HTTP, into its
// errors, and either can repeat what was sent. An error unwraps to that of net/http, whose
// own text still has it.
type Transport struct{ *http.Transport }

// NewTransport returns a transport with the settings of t, which it takes over.
func NewTransport(t *http.Transport) Transport {
	t.OnProxyConnectResponse = refused
	return Transport{t}
}

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, t.hide(r, err)
	}
	return response, nil
}

// errProxyURL stands for an error that shows the URL.
var errProxyURL = errors.New("the URL of the proxy, in the configuration or in HTTPS_PROXY, is malformed")

// hide returns the error of a request without what was sent.
func (t Transport) hide(r *http.Request, err error) error {
	sent := Headers(r.Header["Authorization"]...)
	if t.Proxy != nil {
		proxy, malformed := t.Proxy(r)
		if malformed != nil {
			return errProxyURL
		}
		if proxy != nil {
			sent = append(sent, login(proxy)...)
		}
	}
	return ErrorWithout(err, sent...)
}

// login returns the password of a URL, alone and with the user.
func login(u *url.URL) []string {
	password, ok := u.User.Password()
	if !ok {
		return nil
	}
	return []string{password, u.User.Username() + ":" + password}
}

// refused reports a proxy that refuses, by its status alone: the reason phrase is the
// proxy's own.
func refused(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("the proxy refuses the connection: status %d %s", response.StatusCode, http.StatusText(response.StatusCode))
}
