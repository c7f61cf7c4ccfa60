package oidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// token is a JSON Web Token in compact form (RFC 7515 section 7.1) whose signature has
// not been verified.
type token struct {
	raw       string
	algorithm string
	payload   []byte
	claims    map[string]any
	issuer    string
}

// parse reads what a token says of itself. The error wraps [ErrNotJWT].
func parse(raw string) (*token, error) {
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return nil, ErrNotJWT
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || json.Unmarshal(b, &header) != nil || header.Algorithm == "" {
		return nil, ErrNotJWT
	}
	t := &token{raw: raw, algorithm: header.Algorithm}
	if t.payload, err = base64.RawURLEncoding.DecodeString(body); err != nil {
		return nil, fmt.Errorf("%w: its payload is not base64url", ErrNotJWT)
	}
	if err := json.Unmarshal(t.payload, &t.claims); err != nil || t.claims == nil {
		return nil, fmt.Errorf("%w: its payload is not a JSON object", ErrNotJWT)
	}
	t.issuer, _ = t.claims["iss"].(string)
	return t, nil
}

// isServiceAccount reports whether a Kubernetes cluster has made the token for one of
// its service accounts.
func (t *token) isServiceAccount() bool {
	_, bound := t.claims["kubernetes.io"]
	_, legacy := t.claims["kubernetes.io/serviceaccount/namespace"]
	return bound || legacy || t.issuer == "kubernetes/serviceaccount" ||
		t.issuer == "https://kubernetes.default.svc" || strings.HasPrefix(t.issuer, "https://kubernetes.default.svc.")
}

// maxSeconds is the end of the year 9999, after which a time has no RFC 3339 form.
const maxSeconds = 253402300799

// seconds returns a claim that is a time (RFC 7519 section 2, NumericDate). ok is
// false where there is none; the error wraps [ErrMalformed].
func (t *token) seconds(claim string) (at time.Time, ok bool, err error) {
	v, ok := t.claims[claim]
	if !ok || v == nil {
		return time.Time{}, false, nil
	}
	f, isNumber := v.(float64)
	if !isNumber || f < 0 || f > maxSeconds {
		return time.Time{}, false, fmt.Errorf("%w: its %s is not a time", ErrMalformed, claim)
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true, nil
}

// times checks exp and nbf by the clock now, which may differ from the issuer's by
// skew, and returns exp.
func (t *token) times(now time.Time, skew time.Duration) (expires time.Time, err error) {
	expires, ok, err := t.seconds("exp")
	if err != nil {
		return time.Time{}, err
	}
	if !ok {
		return time.Time{}, fmt.Errorf("%w: it has no exp", ErrMalformed)
	}
	if !now.Before(expires.Add(skew)) {
		return time.Time{}, fmt.Errorf("%w: its exp is %s and this bridge's clock says %s, %v later; a difference of %v is allowed",
			ErrExpired, clock(expires), clock(now), now.Sub(expires).Round(time.Second), skew)
	}
	begins, ok, err := t.seconds("nbf")
	if err != nil {
		return time.Time{}, err
	}
	if ok && now.Add(skew).Before(begins) {
		return time.Time{}, fmt.Errorf("%w: its nbf is %s and this bridge's clock says %s, %v before; a difference of %v is allowed",
			ErrNotYetValid, clock(begins), clock(now), begins.Sub(now).Round(time.Second), skew)
	}
	return expires, nil
}

// audiences returns aud, which is a string or a list of them.
func (t *token) audiences() []string {
	switch aud := t.claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, v := range aud {
			if s, ok := v.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// meant checks that the token is for one of the audiences.
func (t *token) meant(wanted []string) error {
	has := t.audiences()
	if slices.ContainsFunc(has, func(aud string) bool { return slices.Contains(wanted, aud) }) {
		return nil
	}
	shown := "has no aud"
	if len(has) > 0 {
		shown = "has aud " + quote(strings.Join(has, ", "))
	}
	return fmt.Errorf("%w: it %s, but this bridge wants %s", ErrAudience, shown, quote(strings.Join(wanted, ", ")))
}
