package oidc

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	idp "github.com/fairlead-io/fairlead/test/harness/issuer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const audience = "https://fairlead.example.com"

// startIssuer starts an issuer for the test.
func startIssuer(t testing.TB) *idp.Issuer {
	t.Helper()
	i, err := idp.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

// trusting is the configuration of an issuer named ci.
func trusting(i *idp.Issuer) Issuer {
	return Issuer{Name: "ci", URL: i.URL(), CertificateAuthority: i.CAFile(), Audiences: []string{audience}}
}

func open(t testing.TB, config ...Issuer) *Authenticator {
	t.Helper()
	a, err := New(config, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// update makes another configuration take the place of a.
func update(t testing.TB, a *Authenticator, config ...Issuer) *Authenticator {
	t.Helper()
	next, err := a.Next(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.Close)
	a.CloseExcept(next)
	return next
}

func mint(t testing.TB, i *idp.Issuer, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"aud": audience, "sub": "job"}
	for k, v := range claims {
		all[k] = v
	}
	token, err := i.Mint(all)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// accepted demands that a token is accepted.
func accepted(t testing.TB, a *Authenticator, token string) *access.Caller {
	t.Helper()
	c, err := a.Authenticate(request(token))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ended waits for the end of a caller's lease.
func ended(t testing.TB, c *access.Caller, why string) {
	t.Helper()
	end := make(chan struct{})
	c.Lease.OnEnd(func(*access.Caller) { close(end) })
	select {
	case <-end:
	case <-time.After(20 * time.Second):
		t.Fatalf("the lease goes on: %s", why)
	}
}

func TestCaller(t *testing.T) {
	i := startIssuer(t)
	c := trusting(i)
	c.Username = `"gitlab:" + claims.project_path`
	c.Groups = `claims.roles.map(r, "gitlab:" + r)`
	c.UID = `claims.sub`
	a := open(t, c)
	end := time.Now().Add(time.Minute).Truncate(time.Second)
	token := mint(t, i, map[string]any{"project_path": "acme/shop", "roles": []string{"dev", "ops"}, "exp": end.Unix(), "n": 3})
	got := accepted(t, a, token)
	if got.Name != "gitlab:acme/shop" || len(got.Groups) != 2 || got.Groups[1] != "gitlab:ops" || got.UID != "job" ||
		got.Method != access.MethodOIDC || got.Issuer != "ci" || !got.Expires.Equal(end) || got.Claims["n"] != 3.0 {
		t.Errorf("got %+v", got)
	}
	if again := accepted(t, a, token); again != got {
		t.Error("the same token gives another caller")
	}
	if other := accepted(t, a, mint(t, i, map[string]any{"project_path": "x", "roles": []string{}})); other == got || len(other.Groups) > 0 {
		t.Errorf("another token gives %+v", other)
	}
}

func TestDefaults(t *testing.T) {
	i := startIssuer(t)
	got := accepted(t, open(t, trusting(i)), mint(t, i, map[string]any{"aud": []string{"other", audience}}))
	if got.Name != "ci:job" || got.Groups != nil || got.UID != "" {
		t.Errorf("got %+v", got)
	}
}

// TestSeveralIssuers: each has its own keys, of any algorithm.
func TestSeveralIssuers(t *testing.T) {
	one, two := startIssuer(t), startIssuer(t)
	if _, err := two.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	second := trusting(two)
	second.Name = "second"
	a := open(t, trusting(one), second)
	if got := accepted(t, a, mint(t, one, nil)); got.Issuer != "ci" {
		t.Errorf("got %+v", got)
	}
	if got := accepted(t, a, mint(t, two, nil)); got.Issuer != "second" {
		t.Errorf("got %+v", got)
	}
	if _, err := a.Authenticate(request(mint(t, one, map[string]any{"iss": two.URL()}))); err == nil {
		t.Error("an issuer speaks for another one")
	}
}
