package proxy

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/Azure/go-ntlmssp"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// ntlm logs in with the three messages of NTLM, which the scheme NTLM carries, and
// Negotiate too at proxies that are not for Kerberos alone. All of them must pass
// on one connection, which is what the proxy then takes for logged in.
func ntlm(scheme string) login {
	return func(ctx context.Context, t *tunnel, before *answer) (*answer, error) {
		negotiate, err := ntlmssp.NewNegotiateMessage("", "")
		if err != nil {
			return nil, err
		}
		a, err := t.again(ctx, before, authorization(scheme, negotiate))
		if err != nil || a.status != http.StatusProxyAuthRequired {
			return a, err
		}
		c, _ := find(a.challenges, scheme)
		if c.token == "" {
			return a, errDeclined
		}
		authenticate, err := t.creds.answer(c.token)
		switch {
		case err != nil:
			return nil, t.failure(cause.ProxyAuthRequired, "its "+scheme+" challenge cannot be answered: "+err.Error(),
				"Have the proxy offer NTLM version 2, or use a local proxy that logs in, such as cntlm.")
		case !a.reusable:
			return nil, t.cutShort(scheme)
		}
		a, err = t.session.connect(authorization(scheme, authenticate))
		if f := cause.Of(err); f != nil && f.Cause == cause.ConnectionLost {
			err = t.cutShort(scheme)
		}
		return a, err
	}
}

func authorization(scheme string, message []byte) string {
	return scheme + " " + base64.StdEncoding.EncodeToString(message)
}

// answer answers a challenge of the proxy.
func (c *credentials) answer(challenge string) ([]byte, error) {
	message, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return nil, err
	}
	return ntlmssp.NewAuthenticateMessage(message, c.user, c.password, nil)
}

// cutShort is for a proxy that does not keep the connection on which it has sent
// its challenge.
func (t *tunnel) cutShort(scheme string) error {
	return t.failure(cause.ConnectionLost, "it closed the connection after its "+scheme+" challenge, which must be answered on the same connection",
		"Have the proxy keep connections open while clients log in, and whatever stands between this client and the proxy too: "+
			"NTLM works only on one connection from end to end.")
}
