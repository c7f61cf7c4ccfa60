package oidc

import (
	"context"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// key is a public key of an issuer. It is never changed.
type key struct {
	id         string
	algorithm  string // "": any that fits
	thumbprint string
	public     any
}

func (k *key) same(other *key) bool {
	return k.id == other.id && k.algorithm == other.algorithm && k.thumbprint == other.thumbprint
}

// downError says in the middle of a sentence why an issuer's keys cannot be read.
type downError struct{ why string }

func (e *downError) Error() string { return e.why }

func (k *key) verify(jws *jose.JSONWebSignature) (payload []byte, ok bool) {
	if k.algorithm != "" && k.algorithm != jws.Signatures[0].Header.Algorithm {
		return nil, false
	}
	payload, err := jws.Verify(k.public)
	return payload, err == nil
}

// verify returns the payload of a token and the key that signed it. Where the token
// names a key that is not known it waits, at most for maxWait, for a reading of the
// keys that began after the call. The error wraps [ErrSignature] or [ErrUnknownKey],
// or is a [downError].
func (k *keyring) verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, *key, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	id := jws.Signatures[0].Header.KeyID
	keys, need, err := k.current()
	for last := false; err == nil; keys, last, err = k.await(ctx, id, need) {
		known := false
		for _, one := range keys {
			if id != "" && one.id != id {
				continue
			}
			known = true
			if payload, ok := one.verify(jws); ok {
				return payload, one, nil
			}
		}
		if known && id != "" {
			return nil, nil, fmt.Errorf("%w: it was not made with the issuer's key %s", ErrSignature, quote(id))
		}
		if last {
			return nil, nil, unknownKey(id)
		}
	}
	return nil, nil, err
}

func unknownKey(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it names no key, and none of the issuer's fits", ErrUnknownKey)
	}
	return fmt.Errorf("%w: its kid is %s", ErrUnknownKey, quote(id))
}
