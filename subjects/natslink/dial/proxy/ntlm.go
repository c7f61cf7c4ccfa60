package proxy

import (
	"context"
	"encoding/base64"
	"encoding/binary"
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
			a.reusable = false // some proxies take a connection for this scheme only
			return a, errDeclined
		}
		authenticate, err := t.creds.answer(c.token)
		switch {
		case err != nil:
			return nil, t.failure(cause.ProxyAuthRequired, "its "+scheme+" challenge cannot be answered: "+t.secrets().Text(err.Error()),
				"Have the proxy offer NTLM version 2, or use a local proxy that logs in, such as cntlm.")
		case !a.reusable:
			return nil, t.cutShort(scheme)
		}
		a, err = t.session.connect(authorization(scheme, authenticate))
		if f := cause.Of(err); f != nil && f.Cause == cause.ConnectionLost {
			err = t.closedAtLogin(scheme)
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
	return ntlmssp.NewAuthenticateMessage(canonical(message), c.user, c.password, nil)
}

// Parts of a challenge: see MS-NLMP, section 2.2.1.2.
const (
	ntlmFlags     = 20 // offset of the flags, in bytes
	ntlmChallenge = 24 // of the challenge itself, which has 8 bytes
	ntlmInfo      = 40 // of the length and offset of the target's information
	ntlmHead      = 48 // bytes before all that has an offset

	ntlmUnicode    = 1 << 0
	ntlmTargetInfo = 1 << 23
)

// canonical returns a challenge with only what its answer is made of. Some servers
// leave other fields out, or fill them with anything, such as Squid's ntlm_fake_auth;
// clients ignore those, and library and protocol disagree.
func canonical(message []byte) []byte {
	if len(message) < ntlmChallenge+8 {
		return message
	}
	flags := binary.LittleEndian.Uint32(message[ntlmFlags:]) | ntlmUnicode // it was asked for
	var info []byte
	if len(message) >= ntlmHead && flags&ntlmTargetInfo != 0 {
		length, offset := int(binary.LittleEndian.Uint16(message[ntlmInfo:])), int64(binary.LittleEndian.Uint32(message[ntlmInfo+4:]))
		if end := offset + int64(length); offset >= ntlmHead && end <= int64(len(message)) {
			info = message[offset:end]
		}
	}
	b := make([]byte, ntlmHead, ntlmHead+len(info))
	copy(b, message[:12]) // signature and type
	binary.LittleEndian.PutUint32(b[ntlmFlags:], flags)
	copy(b[ntlmChallenge:], message[ntlmChallenge:ntlmChallenge+8])
	binary.LittleEndian.PutUint16(b[ntlmInfo:], uint16(len(info)))
	binary.LittleEndian.PutUint16(b[ntlmInfo+2:], uint16(len(info)))
	binary.LittleEndian.PutUint32(b[ntlmInfo+4:], ntlmHead)
	return append(b, info...)
}

// cutShort is for a proxy that does not keep the connection on which it has sent
// its challenge.
func (t *tunnel) cutShort(scheme string) error {
	return t.failure(cause.ConnectionLost, "it closed the connection after its "+scheme+" challenge, which must be answered on the same connection",
		"Have the proxy keep connections open while clients log in, and whatever stands between this client and the proxy too: "+
			"NTLM works only on one connection from end to end.")
}
