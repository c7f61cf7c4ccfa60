package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files writes a certificate that ends at a time, and its key.
func files(t *testing.T, ends time.Time) (cert, key string) {
	t.Helper()
	pair, err := testca.New(t, "ca").Certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "bridge"}, DNSNames: []string{"*.k8s.example.com"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: ends,
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	for file, text := range map[string][]byte{cert: testca.PEM(pair), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificate(t *testing.T) {
	for _, c := range []struct {
		ends        time.Duration
		host        string
		fails, warn string
	}{
		{30 * 24 * time.Hour, "a.k8s.example.com", "", ""},
		{30 * 24 * time.Hour, "a.acme.k8s.example.com", "certificate for other names", ""},
		{2 * time.Hour, "a.k8s.example.com", "", "in 1 hours"},
		{-time.Hour, "a.k8s.example.com", "certificate expired", ""},
	} {
		cfg := &Config{Hosts: []string{c.host}}
		cfg.CertFile, cfg.KeyFile = files(t, time.Now().Add(c.ends))
		check := cfg.lookAtCertificate().Checks[0]
		if c.fails != "" {
			if check.Status != diagnosis.Failed || check.Failure.Title != c.fails {
				t.Errorf("%s until %s: %+v", c.host, c.ends, check)
			}
			continue
		}
		if warnings := strings.Join(check.Warnings, " "); check.Status != diagnosis.OK || (c.warn == "") != (warnings == "") || !strings.Contains(warnings, c.warn) {
			t.Errorf("%s until %s: %+v", c.host, c.ends, check)
		}
	}
	cfg := &Config{Hosts: []string{"www.example.com"}, FrontProxy: true}
	cfg.CertFile, cfg.KeyFile = files(t, time.Now().Add(30*24*time.Hour))
	check := cfg.lookAtCertificate().Checks[0]
	if check.Status != diagnosis.OK || len(check.Warnings) != 1 || !strings.Contains(check.Warnings[0], "front proxy") {
		t.Errorf("behind a front proxy: %+v", check)
	}
	cfg = &Config{CertFile: "/none", KeyFile: "/none"}
	if check := cfg.lookAtCertificate().Checks[0]; check.Status != diagnosis.Failed || !strings.Contains(check.Failure.Do, "--tls-cert") {
		t.Errorf("no file: %+v", check)
	}
}

// TestNotReady: why a running bridge is not ready is shown.
func TestNotReady(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("[+]listener ok\n[-]broker failed: no tenant\n" + strings.Repeat("[-]tenant acme: away\n", 100)))
	}))
	defer s.Close()
	cfg := &Config{Ops: strings.TrimPrefix(s.URL, "http://"), Timeout: 5 * time.Second}
	if check := cfg.lookAtListener(t.Context()).Checks[0]; check.Status != diagnosis.Failed || !strings.Contains(check.Failure.Got, "503") ||
		len(check.Failure.Lines) != 102 || check.Failure.Lines[1] != "[-]broker failed: no tenant" {
		t.Errorf("%+v", check)
	}
}

// TestIssuer: one that answers is asked for its keys, and one that does not exist is not.
func TestIssuer(t *testing.T) {
	ca := testca.New(t, "issuer")
	mux := http.NewServeMux()
	s := httptest.NewUnstartedServer(mux)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.Server()}}
	s.StartTLS()
	defer s.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"issuer":"` + s.URL + `","jwks_uri":"` + s.URL + `/keys"}`))
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	})
	issuers := oidc.Config{
		{Name: "good", URL: s.URL, CertificateAuthority: testca.WriteFile(t, ca)},
		{Name: "gone", URL: s.URL + "/other", CertificateAuthority: testca.WriteFile(t, ca)},
	}
	cfg := &Config{Timeout: 5 * time.Second, Access: &Verdict{Config: &policy.Config{Authentication: policy.Authentication{OIDC: issuers}}}}
	all := cfg.lookAtServices(t.Context())
	if good := all[0].Checks[0]; good.Status != diagnosis.OK || !strings.Contains(good.Found, "can be used: 1") {
		t.Errorf("%+v", good)
	}
	if gone := all[1].Checks[0]; gone.Status != diagnosis.Failed || gone.Hop != diagnosis.Issuer || !strings.Contains(gone.Failure.Got, "404") {
		t.Errorf("%+v %+v", gone, gone.Failure)
	}
}

// TestClientCertificate: one that ends soon is warned about, whatever else fails.
func TestClientCertificate(t *testing.T) {
	cert, key := files(t, time.Now().Add(5*24*time.Hour))
	b, err := reach.Open(reach.Config{Servers: []string{"tls://127.0.0.1:1"}, Transport: transport.Config{CertFile: cert, KeyFile: key, Prefix: "broker-"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	look := &brokersLook{cfg: &Config{Broker: b, Tenants: tenant.List{"acme": {}}, Timeout: 5 * time.Second}}
	c := look.look(t.Context())[0].Check(cause.TLS)
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "the client certificate in "+cert+" expires") {
		t.Errorf("%+v", c)
	}
}
