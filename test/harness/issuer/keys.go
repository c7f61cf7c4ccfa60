package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rsaBits is the least that RFC 7518 allows, and the fastest to make.
const rsaBits = 2048

type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
	withdrawn bool
}

// AddKey makes a key of RS256 or ES256, publishes it, and signs with it from now
// on. It returns the key's id. Older keys stay published.
func (i *Issuer) AddKey(algorithm jose.SignatureAlgorithm) (id string, err error) {
	var private crypto.Signer
	switch algorithm {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("algorithm %s is not supported", algorithm)
	}
	if err != nil {
		return "", fmt.Errorf("issuer: make key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	k := &signingKey{id: fmt.Sprintf("key-%d", i.made), algorithm: algorithm, private: private}
	i.keys = append(i.keys, k)
	return k.id, nil
}

// WithdrawKey no longer publishes a key. [Issuer.MintWith] goes on to sign with it.
func (i *Issuer) WithdrawKey(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.keys {
		k.withdrawn = k.withdrawn || k.id == id
	}
}

// PublicKey returns a key by its id; nil: there is none.
func (i *Issuer) PublicKey(id string) crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.keys {
		if k.id == id {
			return k.private.Public()
		}
	}
	return nil
}

// published returns the key set. The caller holds mu.
func (i *Issuer) published() jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range i.keys {
		if !k.withdrawn {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig",
			})
		}
	}
	return set
}

// Mint returns an ID token with the claims, signed by the newest key that is
// published. iss, iat and exp (in one hour) are added unless they are given; a claim
// whose value is nil is left out.
func (i *Issuer) Mint(claims map[string]any) (string, error) {
	i.mu.Lock()
	var newest string
	for _, k := range i.keys {
		if !k.withdrawn {
			newest = k.id
		}
	}
	i.mu.Unlock()
	return i.MintWith(newest, claims)
}

// MintWith is [Issuer.Mint] with a certain key.
func (i *Issuer) MintWith(id string, claims map[string]any) (string, error) {
	i.mu.Lock()
	n := slices.IndexFunc(i.keys, func(k *signingKey) bool { return k.id == id })
	if n < 0 {
		i.mu.Unlock()
		return "", fmt.Errorf("issuer: there is no key %q", id)
	}
	key := i.keys[n]
	i.mu.Unlock()

	now := time.Now()
	all := map[string]any{"iss": i.URL(), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("issuer: encode claims: %w", err)
	}
	return Sign(jose.SigningKey{Algorithm: key.algorithm, Key: jose.JSONWebKey{Key: key.private, KeyID: key.id}}, payload)
}

// Sign returns a payload as a JSON Web Token in compact form. Tests of attackers
// give keys of their own.
func Sign(key jose.SigningKey, payload []byte) (string, error) {
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("issuer: sign: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("issuer: sign: %w", err)
	}
	return jws.CompactSerialize()
}
