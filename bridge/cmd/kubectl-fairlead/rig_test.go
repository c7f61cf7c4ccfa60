package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/store"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// asPlugin makes a process of the test binary be the plugin.
const asPlugin = "FAIRLEAD_TEST_AS_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const clientID = "fairlead-cli"

// rig is a user with an issuer and a bridge.
type rig struct {
	t        *testing.T
	issuer   *issuer.Issuer
	people   *issuer.People
	bridge   *httptest.Server
	bridgeCA string
	home     string
	plugin   *plugin
	stdout   bytes.Buffer
	stderr   bytes.Buffer
}

// newRig has a bridge that answers with h; nil: it has none.
func newRig(t *testing.T, h http.Handler) *rig {
	t.Helper()
	r := &rig{t: t, home: t.TempDir()}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(r.home, "cache"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(r.home, "config"))
	t.Setenv("KUBECONFIG", filepath.Join(r.home, "kubeconfig"))
	for _, name := range []string{"FAIRLEAD_BRIDGE", "FAIRLEAD_BRIDGE_CA", "FAIRLEAD_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	var err error
	if r.issuer, err = issuer.New(r.home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.issuer.Stop)
	r.people = r.issuer.AddPeople(clientID)
	r.bridge = httptest.NewTLSServer(h)
	t.Cleanup(r.bridge.Close)
	r.bridgeCA = filepath.Join(r.home, "bridge-ca.crt")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.bridge.Certificate().Raw})
	if err := os.WriteFile(r.bridgeCA, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	r.plugin = &plugin{store: s, stdout: &r.stdout, stderr: &r.stderr, open: r.browse, now: time.Now}
	return r
}

// httpClient is the user's browser, which trusts the issuer.
func (r *rig) httpClient() *http.Client {
	ca, err := os.ReadFile(r.issuer.CAFile())
	if err != nil {
		r.t.Error(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// browse is a browser in which somebody agrees to everything. As in life, it is not a
// part of the command.
func (r *rig) browse(url string) error {
	done := make(chan struct{})
	r.t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		c := r.httpClient()
		defer c.CloseIdleConnections()
		res, err := c.Get(url)
		if err != nil {
			r.t.Errorf("browser: %v", err)
			return
		}
		defer func() { _ = res.Body.Close() }()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
			r.t.Errorf("browser: %d %s", res.StatusCode, body)
		}
	}()
	return nil
}

// run runs the plugin with --bridge, and returns what it wrote.
func (r *rig) run(args ...string) (stdout, stderr string, err error) {
	r.t.Helper()
	r.stdout.Reset()
	r.stderr.Reset()
	r.plugin.bridge = ""
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = r.plugin.run(ctx, append(args, "--bridge", r.bridge.URL))
	return r.stdout.String(), r.stderr.String(), err
}

// must runs the plugin, which must succeed.
func (r *rig) must(args ...string) (stdout, stderr string) {
	r.t.Helper()
	stdout, stderr, err := r.run(args...)
	if err != nil {
		r.t.Fatalf("%v: %v\n%s", args, err, stderr)
	}
	return stdout, stderr
}

// loginFlags are those of the first login.
func (r *rig) loginFlags() []string {
	return []string{"login", "--issuer", r.issuer.URL(), "--client-id", clientID, "--ca", r.issuer.CAFile(), "--bridge-ca", r.bridgeCA}
}

// fails runs the plugin, which must fail with an error that has all of the texts.
func (r *rig) fails(args []string, texts ...string) {
	r.t.Helper()
	stdout, stderr, err := r.run(args...)
	if err == nil {
		r.t.Fatalf("%v succeeded: %s", args, stdout)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			r.t.Errorf("%v: error %q does not have %q", args, err, text)
		}
	}
	r.noSecret(stdout + stderr + err.Error())
}

// noSecret checks that a text has no code or token.
func (r *rig) noSecret(text string) {
	r.t.Helper()
	for _, secret := range r.people.Secrets() {
		if strings.Contains(text, secret) {
			r.t.Errorf("a secret is in %q", text)
		}
	}
}

// session reads what the store has.
func (r *rig) session() *store.Session {
	r.t.Helper()
	s, err := r.plugin.store.Session(r.bridge.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}
