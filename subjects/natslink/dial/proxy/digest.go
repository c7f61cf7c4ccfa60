package proxy

import (
	"context"
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

// byDigest logs in with a hash of the password and the proxy's nonce (RFC 7616). Whoever
// reads it can look for the password by trial, which a long one withstands.
func byDigest(ctx context.Context, t *tunnel, before *answer) (*answer, error) {
	offer := digestOffer(before.challenges)
	if offer == nil {
		return before, errDeclined
	}
	a, err := t.again(ctx, before, t.digested(offer))
	if err != nil || a.status != http.StatusProxyAuthRequired {
		return a, err
	}
	// The password may be right, and the nonce too old.
	if offer = digestOffer(a.challenges); offer == nil || !offer.Stale {
		return a, nil
	}
	return t.again(ctx, a, t.digested(offer))
}

// digestOffer returns the first challenge for Digest that can be answered, nil if there
// is none.
func digestOffer(all []challenge) *digest.Challenge {
	for _, c := range all {
		if !strings.EqualFold(c.scheme, "Digest") {
			continue
		}
		if offer, err := digest.ParseChallenge(digest.Prefix + c.parameters); err == nil && offer.Nonce != "" && digest.CanDigest(offer) {
			for i := range offer.QOP {
				offer.QOP[i] = strings.TrimSpace(offer.QOP[i])
			}
			return offer
		}
	}
	return nil
}

// digested is the answer to a challenge that can be answered.
func (t *tunnel) digested(offer *digest.Challenge) string {
	credentials, err := digest.Digest(offer, digest.Options{
		Method: http.MethodConnect, URI: t.server, Count: 1, Username: t.creds.user, Password: t.creds.password,
	})
	if err != nil {
		return "" // never: there is no body to read, and digestOffer knows what is supported
	}
	return credentials.String()
}
