package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	idp "github.com/fairlead-io/fairlead/test/harness/issuer"
)

// forge returns a token with a header and a signature of the test's own.
func forge(t testing.TB, header, claims map[string]any, signature string) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims) + "." + signature
}

func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := idp.Sign(jose.SigningKey{Algorithm: algorithm, Key: key}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type refusal struct {
	token string
	want  error
	text  string // a regular expression
	other bool   // another authenticator may know the token
}

// checkRefusals demands that each token is refused, with its reason and text.
func checkRefusals(t *testing.T, a *Authenticator, all map[string]refusal) {
	t.Helper()
	for name, tt := range all {
		c, err := a.Authenticate(request(tt.token))
		switch {
		case err == nil:
			t.Errorf("%s: accepted as %+v", name, c)
		case !errors.Is(err, tt.want) || !regexp.MustCompile(tt.text).MatchString(err.Error()):
			t.Errorf("%s: %v, want %q and %s", name, err, tt.want, tt.text)
		case errors.Is(err, access.ErrUnrecognized) != tt.other:
			t.Errorf("%s: left to others: %v, want %v", name, !tt.other, tt.other)
		case len(err.Error()) > 3*maxShown+400:
			t.Errorf("%s: a text of %d bytes", name, len(err.Error()))
		}
		for _, part := range strings.Split(tt.token, ".") {
			if err != nil && len(part) > 20 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: the text shows a part of the token", name)
			}
		}
	}
}

func TestReasons(t *testing.T) {
	i := startIssuer(t)
	if _, err := i.AddKey(jose.ES256); err != nil {
		t.Fatal(err)
	}
	config := trusting(i)
	config.Username = `claims.project_path`
	a := open(t, config)
	project := func(claims map[string]any) string {
		all := map[string]any{"project_path": "acme/shop"}
		for k, v := range claims {
			all[k] = v
		}
		return mint(t, i, all)
	}
	good := project(nil)
	accepted(t, a, good)
	now := time.Now()
	const stamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
	other := strings.Repeat("A", 86)
	checkRefusals(t, a, map[string]refusal{
		"unknown issuer":      {project(map[string]any{"iss": "https://other.example.com"}), ErrUnknownIssuer, `its iss is "https://other.example.com"`, true},
		"trailing slash":      {project(map[string]any{"iss": i.URL() + "/"}), ErrUnknownIssuer, `but "` + i.URL() + `" is configured`, true},
		"no issuer":           {project(map[string]any{"iss": nil}), ErrUnknownIssuer, "it has no iss", true},
		"wrong audience":      {project(map[string]any{"aud": "vault"}), ErrAudience, `it has aud "vault", but this bridge wants "` + audience, false},
		"wrong audiences":     {project(map[string]any{"aud": []string{"a", "b"}}), ErrAudience, `it has aud "a, b"`, false},
		"no audience":         {project(map[string]any{"aud": nil}), ErrAudience, `it has no aud`, false},
		"odd audience":        {project(map[string]any{"aud": map[string]any{audience: 1}}), ErrMalformed, "aud", false},
		"expired":             {project(map[string]any{"exp": now.Add(-5 * time.Minute).Unix()}), ErrExpired, `its exp is ` + stamp + ` and this bridge's clock says ` + stamp + `, 5m\d+s later; a difference of 30s is allowed`, false},
		"no end":              {project(map[string]any{"exp": nil}), ErrMalformed, "it has no exp", false},
		"odd end":             {project(map[string]any{"exp": "tomorrow"}), ErrMalformed, "its exp is not a time", false},
		"huge end":            {project(map[string]any{"exp": 1e300}), ErrMalformed, "its exp is not a time", false},
		"not yet valid":       {project(map[string]any{"nbf": now.Add(10 * time.Minute).Unix()}), ErrNotYetValid, `its nbf is ` + stamp + ` and this bridge's clock says ` + stamp + `, (9m59|10m0)s before`, false},
		"odd beginning":       {project(map[string]any{"nbf": true}), ErrMalformed, "its nbf is not a time", false},
		"bad signature":       {good[:strings.LastIndex(good, ".")+1] + other, ErrSignature, `not made with the issuer's key "key-2"`, false},
		"no signature":        {good[:strings.LastIndex(good, ".")+1], ErrSignature, "", false},
		"signature not text":  {good[:strings.LastIndex(good, ".")+1] + "%%", ErrMalformed, "", false},
		"missing claim":       {mint(t, i, nil), ErrClaims, `the username that issuer "ci" is configured with .*: no such key: project_path`, false},
		"claim of a number":   {project(map[string]any{"project_path": 7}), ErrClaims, "not a string", false},
		"empty claim":         {project(map[string]any{"project_path": ""}), ErrClaims, "it is empty", false},
		"claim of two lines":  {project(map[string]any{"project_path": "a\nb"}), ErrClaims, "control characters", false},
		"huge claim":          {project(map[string]any{"project_path": strings.Repeat("x", maxName+1)}), ErrClaims, "it has 1025 bytes", false},
		"long issuer":         {project(map[string]any{"iss": "https://" + strings.Repeat("\x01", 2000)}), ErrUnknownIssuer, "", true},
		"huge":                {"x" + strings.Repeat("y", access.MaxToken), access.ErrTokenTooLong, "more than 16384 bytes", false},
		"opaque":              {"0123456789abcdef", ErrNotJWT, "", true},
		"two parts":           {"a.b", ErrNotJWT, "", true},
		"encrypted":           {"a.b.c.d.e", ErrNotJWT, "", true},
		"header is not JSON":  {"eA.e30.x", ErrNotJWT, "", true},
		"payload is not text": {"eyJhbGciOiJSUzI1NiJ9.%.x", ErrNotJWT, "base64url", true},
		"payload is a list":   {"eyJhbGciOiJSUzI1NiJ9.W10.x", ErrNotJWT, "JSON object", true},
		"payload is null":     {"eyJhbGciOiJSUzI1NiJ9.bnVsbA.x", ErrNotJWT, "JSON object", true},
	})
}

// TestServiceAccounts: what tools send that make a service account in the cluster.
func TestServiceAccounts(t *testing.T) {
	i := startIssuer(t)
	a := open(t, trusting(i))
	for name, claims := range map[string]map[string]any{
		"bound":  {"iss": "https://kubernetes.default.svc.cluster.local", "kubernetes.io": map[string]any{"namespace": "kube-system"}},
		"legacy": {"iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": "kube-system"},
		"cloud":  {"iss": "https://oidc.eks.example.com/id/1", "kubernetes.io": map[string]any{"namespace": "kube-system"}},
		"iss":    {"iss": "https://kubernetes.default.svc"},
	} {
		checkRefusals(t, a, map[string]refusal{name: {mint(t, i, claims), ErrServiceAccount, `argocd cluster add.*a token of this bridge`, true}})
	}
	// Where such an issuer is configured, its tokens are as good as others.
	accepted(t, a, mint(t, i, map[string]any{"kubernetes.io": map[string]any{"namespace": "ci"}}))
	// It must be Kubernetes' own host name.
	checkRefusals(t, a, map[string]refusal{"host": {mint(t, i, map[string]any{"iss": "https://kubernetes.default.svcs"}), ErrUnknownIssuer, "", true}})
}

// TestForgeries: tokens of attackers who know the public keys.
func TestForgeries(t *testing.T) {
	i := startIssuer(t)
	a := open(t, trusting(i))
	public, err := x509.MarshalPKIXPublicKey(i.PublicKey("key-1"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"iss": i.URL(), "aud": audience, "sub": "root", "exp": time.Now().Add(time.Hour).Unix()}
	embedded := jose.JSONWebKey{Key: own.Public(), Algorithm: "ES256"}
	good := mint(t, i, nil)
	parts := strings.Split(good, ".")
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	checkRefusals(t, a, map[string]refusal{
		"alg none":               {forge(t, map[string]any{"alg": "none"}, claims, ""), ErrAlgorithm, `its alg is "none"`, false},
		"alg NONE":               {forge(t, map[string]any{"alg": "NonE"}, claims, ""), ErrAlgorithm, "", false},
		"alg none, kid":          {forge(t, map[string]any{"alg": "none", "kid": "key-1"}, claims, parts[2]), ErrAlgorithm, "", false},
		"two algs":               {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","alg":"RS256","kid":"key-1"}`)) + "." + parts[1] + ".", ErrMalformed, "", false},
		"key confusion, PEM":     {sign(t, jose.HS256, jose.JSONWebKey{Key: asPEM, KeyID: "key-1"}, claims), ErrAlgorithm, `its alg is "HS256"`, false},
		"key confusion, DER":     {sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "key-1"}, claims), ErrAlgorithm, "", false},
		"ES256 with an RSA kid":  {sign(t, jose.ES256, jose.JSONWebKey{Key: own, KeyID: "key-1"}, claims), ErrSignature, "", false},
		"its own key in the JWT": {forgedHeader(t, own, map[string]any{"alg": "ES256", "jwk": embedded}, claims), ErrUnknownKey, "", false},
		"jku of its own":         {forgedHeader(t, own, map[string]any{"alg": "ES256", "kid": "key-1", "jku": "https://evil.example.com"}, claims), ErrSignature, "", false},
		"crit":                   {forgedHeader(t, own, map[string]any{"alg": "ES256", "kid": "key-1", "crit": []string{"x"}}, claims), ErrSignature, "", false},
		"path as kid":            {forgedHeader(t, own, map[string]any{"alg": "ES256", "kid": "../../dev/null"}, claims), ErrUnknownKey, `its kid is "../../dev/null"`, false},
		"other claims":           {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+i.URL()+`","exp":9999999999,"sub":"root"}`)) + "." + parts[2], ErrSignature, "", false},
	})
	for _, text := range []string{good + ".", "." + good, good + "=", strings.Replace(good, ".", "..", 1)} {
		if c, err := a.Authenticate(request(text)); err == nil {
			t.Errorf("%q...: accepted as %+v", text[:10], c)
		}
	}
	if n := i.Requests(idp.PathKeys); n > 1+askBurst+1 {
		t.Errorf("the keys were read %d times", n)
	}
}

// forgedHeader signs with ES256 under any header.
func forgedHeader(t testing.TB, key *ecdsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for k, v := range header {
		if k != "alg" {
			options.ExtraHeaders[jose.HeaderKey(k)] = v
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestSkew: an issuer whose clock differs.
func TestSkew(t *testing.T) {
	i := startIssuer(t)
	config, none := trusting(i), time.Duration(0)
	wide := time.Minute
	config.ClockSkew = &wide
	a := open(t, config)
	now := time.Now()
	late := accepted(t, a, mint(t, i, map[string]any{"exp": now.Add(-20 * time.Second).Unix()}))
	if until := late.Expires; now.Sub(until) < 15*time.Second {
		t.Errorf("expires %v, want what the token says", until)
	}
	accepted(t, a, mint(t, i, map[string]any{"nbf": now.Add(50 * time.Second).Unix()}))
	config.ClockSkew = &none
	a = update(t, a, config)
	checkRefusals(t, a, map[string]refusal{
		"expired":       {mint(t, i, map[string]any{"exp": now.Add(-time.Second).Unix()}), ErrExpired, "a difference of 0s is allowed", false},
		"not yet valid": {mint(t, i, map[string]any{"nbf": now.Add(50 * time.Second).Unix()}), ErrNotYetValid, "", false},
	})
}

// TestLongTokens: a token that lists hundreds of groups is accepted.
func TestLongTokens(t *testing.T) {
	i := startIssuer(t)
	config := trusting(i)
	config.Groups = "claims.groups"
	a := open(t, config)
	var groups []string
	for range 230 {
		groups = append(groups, strings.Repeat("g", 46))
	}
	token := mint(t, i, map[string]any{"groups": groups})
	if len(token) < 14<<10 || len(token) > access.MaxToken {
		t.Fatalf("the token has %d bytes", len(token))
	}
	if got := accepted(t, a, token); len(got.Groups) != 230 {
		t.Errorf("%d groups", len(got.Groups))
	}
}

// TestUnreachable is about what a caller gets of an issuer that is down.
func TestUnreachable(t *testing.T) {
	i := startIssuer(t)
	token := mint(t, i, nil)
	i.Stop()
	a := open(t, trusting(i))
	before := time.Now()
	_, err := a.Authenticate(request(token))
	f, ok := errors.AsType[*answer.Failure](err)
	if !ok || f.Kind != answer.IssuerUnreachable || !errors.Is(err, ErrUnreachable) || errors.Is(err, access.ErrUnrecognized) ||
		!strings.Contains(f.Detail, `as issuer "ci" (`+i.URL()+`) cannot be reached: connection refused`) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(before); took > maxWait+time.Second {
		t.Errorf("took %v", took)
	}
	if err := i.Start(); err != nil {
		t.Fatal(err)
	}
	waitAccepted(t, a, token)
	i.Fail(http.StatusBadGateway)
	again := open(t, trusting(i))
	if _, err := again.Authenticate(request(token)); !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("got %v", err)
	}
}

// waitAccepted waits until a token is accepted.
func waitAccepted(t testing.TB, a *Authenticator, token string) (c *access.Caller) {
	t.Helper()
	eventually.Nil(t, "the token to be accepted", func() (err error) {
		c, err = a.Authenticate(request(token))
		return err
	})
	return c
}
