package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// login is one way to log in, after the response before. It returns the proxy's
// last response, which is a 407 if the proxy does not accept the credentials.
// errDeclined, with the response, says that the proxy does not know this way,
// although it offers the scheme.
type login func(ctx context.Context, t *tunnel, before *answer) (*answer, error)

var errDeclined = errors.New("declined")

// logins are the supported ways by scheme, the strongest first.
var logins = []struct {
	scheme string
	login  login
}{
	{"NTLM", ntlm("NTLM")},
	{"Negotiate", ntlm("Negotiate")},
	{"Digest", byDigest},
	{"Basic", basic},
}

// byCONNECT asks an http or https proxy for a connection.
func (t *tunnel) byCONNECT(ctx context.Context) (net.Conn, error) {
	err := t.renew(ctx)
	if err == nil {
		err = t.establish(ctx)
	}
	if err != nil {
		t.session.close()
		return nil, err
	}
	return t.session.through(), nil
}

// renew begins another session, instead of the current one.
func (t *tunnel) renew(ctx context.Context) error {
	t.session.close()
	conn, err := t.dial(ctx)
	if err == nil {
		t.session = newSession(t, conn)
	}
	return err
}

// establish makes the session lead to the server. The first request has no
// credentials: only the response tells which schemes the proxy offers.
func (t *tunnel) establish(ctx context.Context) error {
	a, err := t.session.connect("")
	if err == nil && a.status == http.StatusProxyAuthRequired && t.creds != nil {
		a, err = t.inTurn(ctx, a)
	}
	if err == nil && !a.established() {
		err = t.refused(a)
	}
	return err
}

// inTurn logs in once the credentials may be sent.
func (t *tunnel) inTurn(ctx context.Context, offer *answer) (*answer, error) {
	end, err := t.proxies.Logins.begin(ctx, t)
	if err != nil {
		return nil, err
	}
	defer end()
	a, err := t.logIn(ctx, offer)
	if err == nil && a.established() {
		t.proxies.Logins.note(t, nil)
	}
	return a, err
}

// logIn logs in by the strongest scheme that the proxy offers.
func (t *tunnel) logIn(ctx context.Context, offer *answer) (*answer, error) {
	a := offer
	for _, l := range logins {
		if _, offered := find(offer.challenges, l.scheme); !offered {
			continue
		}
		next, err := l.login(ctx, t, a)
		switch {
		case errors.Is(err, errDeclined):
			a = next
			continue
		case err == nil && next.wantsLogin():
			return nil, t.notAccepted(l.scheme, next.text())
		}
		return next, err
	}
	return nil, t.failure(cause.ProxyAuthRequired, "none of the schemes that it offers can be used: "+offer.text(),
		"Use a local proxy that logs in by such a scheme, or have the proxy's owner permit this client without a login.")
}

// again repeats the request after the response before, with an authorization: on
// the same connection if the proxy keeps it open.
func (t *tunnel) again(ctx context.Context, before *answer, authorization string) (*answer, error) {
	if before.reusable {
		a, err := t.session.connect(authorization)
		if f := cause.Of(err); f == nil || f.Cause != cause.ConnectionLost {
			return a, err
		} // it has closed it after all
	}
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	return t.session.connect(authorization)
}

// basic sends user and password in the clear, unless the proxy is reached by TLS. The
// login of a domain in a credentials file is meant for NTLM, so it is not sent in the
// clear: whoever is on the way to the proxy could have removed NTLM from its offer.
func basic(ctx context.Context, t *tunnel, before *answer) (*answer, error) {
	if t.proxy.Scheme == "http" && t.creds.file && strings.Contains(t.creds.user, `\`) {
		return nil, t.failure(cause.ProxyAuthRequired, "it accepts only Basic, which would send the password of a domain's user unencrypted",
			"Have the proxy offer NTLM, or use an https:// proxy. If Basic is meant, give the user without its domain, or both in the proxy's URL.")
	}
	return t.again(ctx, before, authorization("Basic", []byte(t.creds.user+":"+t.creds.password)))
}

// onlyByURL is the cure where no credentials file counts.
const onlyByURL = "Give user and password in the proxy's URL. If it asks only for a scheme that is not supported, use a local proxy that knows it, such as cntlm."

// refused is the proxy's refusal as a failure.
func (t *tunnel) refused(a *answer) error {
	id := cause.ProxyDenied
	switch {
	case a.wantsLogin():
		id = cause.ProxyAuthRequired
	case a.status < 400, a.status == http.StatusBadRequest, a.status == http.StatusNotFound, a.status == http.StatusNotImplemented:
		id = cause.NotAProxy // a web server
	case a.status >= 500:
		id = cause.ProxyFailed
	}
	do := ""
	if id == cause.ProxyAuthRequired && t.proxies.only {
		do = onlyByURL
	}
	return t.failure(id, a.text(), do)
}
