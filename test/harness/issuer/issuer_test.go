package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client trusts the issuer only.
func client(t *testing.T, i *Issuer) *http.Client {
	t.Helper()
	ca, err := os.ReadFile(i.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// TestRelyingParty: what go-oidc makes of the issuer, through rotation and an outage.
func TestRelyingParty(t *testing.T) {
	i, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	ctx := oidc.ClientContext(context.Background(), client(t, i))
	check := func(key string) error {
		t.Helper()
		provider, err := oidc.NewProvider(ctx, i.URL())
		if err != nil {
			return err
		}
		token, err := i.MintWith(key, map[string]any{"aud": "me", "sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = provider.Verifier(&oidc.Config{ClientID: "me"}).Verify(ctx, token)
		return err
	}
	if err := check("key-1"); err != nil {
		t.Error(err)
	}
	id, err := i.AddKey(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"key-1", id} {
		if err := check(key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	i.WithdrawKey("key-1")
	if check("key-1") == nil {
		t.Error("a token of a key that was withdrawn is good")
	}
	if n := i.Requests(PathDiscovery); n != 4 {
		t.Errorf("%d requests for the discovery document, want 4", n)
	}

	before := i.URL()
	i.Stop()
	if check(id) == nil {
		t.Error("an issuer that was stopped answers")
	}
	if err := i.Start(); err != nil || i.URL() != before {
		t.Fatalf("start again: %v, at %s, want %s", err, i.URL(), before)
	}
	if err := check(id); err != nil {
		t.Errorf("started again: %v", err)
	}
	i.Fail(http.StatusBadGateway)
	if check(id) == nil {
		t.Error("an issuer that fails answers")
	}
}
