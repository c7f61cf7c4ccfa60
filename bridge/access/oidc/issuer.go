package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// issuer verifies the tokens of one issuer. It is safe for concurrent use.
type issuer struct {
	config     Issuer
	algorithms []jose.SignatureAlgorithm
	identity   identity
	keys       *keyring
	cas        *reload.CertPool // that verify the issuer; nil: those of the system
	version    int              // of the first authenticator that has it
	retired    bool             // the cache's mutex guards it: no caller of it is added any more
}

// newIssuer compiles a configuration, which must have been checked, for an
// authenticator. It takes over the keyring of the issuer that had the URL before, nil if
// there was none, or starts one.
func newIssuer(config Issuer, before *issuer, a *Authenticator) (*issuer, error) {
	i := &issuer{config: config, version: a.version}
	for _, name := range config.algorithms() {
		i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(name))
	}
	var err error
	if i.identity, err = newIdentity(&config); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", config.Name, err)
	}
	if before != nil && before.config.sameKeys(&config) {
		i.keys, i.cas = before.keys, before.cas
		return i, nil
	}
	log := a.log.With("issuer", config.Name)
	f, err := newFetcher(&config, a.proxies, a.tracer, log)
	if err != nil {
		return nil, fmt.Errorf("issuer %q: %w", config.Name, err)
	}
	i.cas = f.cas
	i.keys = startKeyring(f.keys, a.cache.sweep, log)
	return i, nil
}

// sameKeys reports whether both configurations read the same keys in the same way.
func (i *Issuer) sameKeys(other *Issuer) bool {
	return i.Name == other.Name && i.URL == other.URL && i.CertificateAuthority == other.CertificateAuthority && i.ProxyURL == other.ProxyURL
}

// verify returns the caller of a token of this issuer, and the key that signed it.
func (i *issuer) verify(ctx context.Context, t *token) (*access.Caller, *key, error) {
	if !slices.Contains(i.config.algorithms(), t.algorithm) {
		return nil, nil, fmt.Errorf("%w: its alg is %s, but this bridge wants one of %s",
			ErrAlgorithm, quote(t.algorithm), strings.Join(i.config.algorithms(), ", "))
	}
	skew := i.config.skew()
	expires, err := t.times(time.Now(), skew)
	if err != nil {
		return nil, nil, err
	}
	k, err := i.verifySignature(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if err := t.meant(i.config.Audiences); err != nil {
		return nil, nil, err
	}
	c := &access.Caller{Method: access.MethodOIDC, Issuer: i.config.Name, Claims: t.claims, Expires: expires}
	if err := i.identity.set(ctx, c); err != nil {
		return nil, nil, err
	}
	c.Lease = access.NewLeaseUntil(expires.Add(skew))
	return c, k, nil
}

// verifySignature returns the key that has signed the token.
func (i *issuer) verifySignature(ctx context.Context, t *token) (*key, error) {
	signature := &signature{issuer: i}
	// Times and audience are checked by us, who say more where they are wrong.
	verifier := oidc.NewVerifier(i.config.URL, signature, &oidc.Config{
		SupportedSigningAlgs: i.config.algorithms(), SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	verified, err := verifier.Verify(ctx, t.raw)
	switch {
	case signature.err != nil:
		return nil, signature.err
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrMalformed, answerable(err))
	}
	var payload json.RawMessage
	if err := verified.Claims(&payload); err != nil || !bytes.Equal(payload, t.payload) {
		return nil, fmt.Errorf("%w: its payload can be read in two ways", ErrMalformed)
	}
	return signature.key, nil
}

// signature is the oidc.KeySet of one verification. It keeps the error, of which
// go-oidc passes on only the text.
type signature struct {
	issuer *issuer
	key    *key
	err    error
}

// VerifySignature implements oidc.KeySet.
func (s *signature) VerifySignature(ctx context.Context, raw string) (payload []byte, err error) {
	jws, err := jose.ParseSignedCompact(raw, s.issuer.algorithms)
	if err != nil {
		s.err = fmt.Errorf("%w: %s", ErrMalformed, answerable(err))
		return nil, s.err
	}
	payload, s.key, err = s.issuer.keys.verify(ctx, jws)
	if down, ok := errors.AsType[*downError](err); ok {
		err = s.issuer.unreachable(down.Error())
	}
	s.err = err
	return payload, err
}
