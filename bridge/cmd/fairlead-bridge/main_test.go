package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs the command line and returns its exit code and what it printed.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	code = daemon.Main(cmd, args)
	return code, out.String(), errs.String()
}

// waitReady waits for a bridge that sends its standard error when it ends.
func waitReady(t *testing.T, ops string, exit chan string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for ready := false; !ready; {
		select {
		case stderr := <-exit:
			t.Fatalf("ended early: %s", stderr)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("not ready within 30 s")
		}
		if res, err := http.Get("http://" + ops + "/readyz"); err == nil {
			ready = res.StatusCode == http.StatusOK
			_ = res.Body.Close()
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// whoami returns the name of the caller with a certificate and nothing else.
func whoami(t *testing.T, listen string, roots *x509.CertPool, cert tls.Certificate) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + listen + "/v1/whoami")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var caller struct{ Name string }
	if err := json.NewDecoder(res.Body).Decode(&caller); err != nil || res.ProtoMajor != 2 {
		t.Errorf("%s: %v", res.Proto, err)
	}
	return caller.Name
}

func TestRunFromWhatInitWrote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	layout, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: "acme", Cluster: "prod", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	accessFile, auditFile := filepath.Join(dir, "access.yaml"), filepath.Join(dir, "audit.log")
	clients := testca.New(t, "clients")
	if err := os.WriteFile(accessFile, []byte("authentication:\n  clientCertificates: {certificateAuthority: "+testca.WriteFile(t, clients)+"}\naudit:\n  file: {path: "+auditFile+"}\n  required: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listen, ops := freeport.AddressFor(t), freeport.AddressFor(t)
	exit := make(chan string, 1)
	go func() {
		code, _, stderr := run("run", "--config", filepath.Join(dir, "bridge.yaml"), "--listen", listen, "--ops-listen", ops, "--access", accessFile,
			"--broker-listen", "127.0.0.1:0", "--broker-websocket-listen", "off", "--drain-timeout", "5s")
		if code == daemon.ExitOK {
			stderr = ""
		} else {
			stderr = stderr[max(0, len(stderr)-2000):]
		}
		exit <- stderr
	}()
	waitReady(t, ops, exit)

	ca, err := os.ReadFile(layout.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(layout.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(context.Background(), "GET", "https://"+listen+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, body := get("/k8s/clusters/prod.acme/api"); code != 503 || !strings.Contains(body, "has not connected") {
		t.Errorf("got %d %s, want that prod.acme has not connected", code, body)
	}
	if code, body := get("/v1/clusters/prod.acme/kubeconfig"); code != 200 || !strings.Contains(body, "/k8s/clusters/prod.acme") {
		t.Errorf("got %d %s, want a kubeconfig", code, body)
	}
	client.CloseIdleConnections()
	if b, err := os.ReadFile(auditFile); err != nil || strings.Count(string(b), "\n") != 3 || !strings.Contains(string(b), `"code":"cluster-never-connected"`) {
		t.Errorf("audit events %q, %v, want two of a request to a cluster and one of a kubeconfig", b, err)
	}
	if name := whoami(t, listen, roots, clients.Client("alice", nil, nil)); name != "alice" {
		t.Errorf("with a client certificate: %q", name)
	}

	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case stderr := <-exit:
		if stderr != "" {
			t.Errorf("SIGTERM: %s", stderr)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("did not stop within 30 s")
	}
}

func TestFlagsAreChecked(t *testing.T) {
	needed := slices.Clip([]string{"run", "--tokens", "t", "--tenants", "n", "--bridge-key", "k"}) // append copies it
	for want, args := range map[string][]string{
		"--tokens is required":      {"run"},
		"exactly one of":            needed,
		"--insecure-http":           append(needed, "--broker-url", "tls://b:4222"),
		"--reconnect-grace":         append(needed, "--broker-url", "tls://b:4222", "--insecure-http", "--listen", "127.0.0.1:0", "--reconnect-grace", "-1s"),
		"open to other hosts":       append(needed, "--broker-url", "tls://b:4222", "--insecure-http"),
		"unknown flag":              {"run", "--nonsense"},
		"--name and --clusters are": {"token", "new"},
		"exclude each other":        {"token", "new", "--tokens", "t", "--name", "a", "--clusters", "*", "--grants-only"},
		"less than a second":        {"token", "new", "--tokens", "t", "--name", "a", "--clusters", "*", "--expires", "0s"},
		"DNS label":                 {"token", "new", "--tokens", filepath.Join(t.TempDir(), "t"), "--name", "a b", "--clusters", "*"},
	} {
		code, _, stderr := run(args...)
		if code != daemon.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q, want %d and %q", args, code, stderr, daemon.ExitUsage, want)
		}
	}
	if code, _, stderr := run(append(needed, "--broker-url", "tls://b:4222", "--insecure-http", "--listen", "localhost:0", "--ops-listen", "")...); code == daemon.ExitOK || !strings.Contains(stderr, "k") {
		t.Errorf("a missing key file: exit code %d, %q", code, stderr)
	}
}

func TestTokenNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	layout, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: "acme", Cluster: "prod", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(layout.TokensFile())
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"token", "new", "--tokens", layout.TokensFile(), "--name", "ci", "--clusters", "prod.acme,*.lab"}
	code, stdout, stderr := run(args...)
	token, ok := strings.CutSuffix(stdout, "\n")
	if code != daemon.ExitOK || !ok || !strings.HasPrefix(token, "fl_") || strings.Contains(token, "\n") {
		t.Errorf("exit code %d, standard output %q", code, stdout)
	}
	if strings.Contains(stderr, token) || strings.Contains(stderr, "hash") || !strings.Contains(stderr, layout.TokensFile()) {
		t.Errorf("standard error %q: want where the entry is, not what is in it", stderr)
	}
	after, err := os.ReadFile(layout.TokensFile())
	if err != nil {
		t.Fatal(err)
	}
	entry, ok := strings.CutPrefix(string(after), string(before))
	if !ok || strings.Contains(entry, token) {
		t.Errorf("%q has become %q", before, after)
	}
	for _, want := range []string{"name: ci", "hash: sha256:", `[prod.acme, '*.lab']`} {
		if !strings.Contains(entry, want) {
			t.Errorf("entry %q lacks %s", entry, want)
		}
	}
	if code, stdout, stderr := run(args...); code == daemon.ExitOK || stdout != "" || !strings.Contains(stderr, `another token has the name "ci"`) {
		t.Errorf("the same name again: exit code %d, %q, %q", code, stdout, stderr)
	}
	file := filepath.Join(dir, "grants-only.yaml")
	code, _, stderr = run("token", "new", "--tokens", file, "--name", "flux", "--grants-only", "--expires", "720h", "--owner", "platform-team")
	b, err := os.ReadFile(file)
	if code != daemon.ExitOK || err != nil {
		t.Fatalf("exit code %d, %s, %v", code, stderr, err)
	}
	for _, want := range []string{"clusters: []", "owner: platform-team", `expires: "2`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
}
