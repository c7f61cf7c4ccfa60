package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call runs a command as main does.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	code = daemon.Main(cmd, args)
	return code, out.String(), errs.String()
}

func mustCall(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := call(args...)
	if code != daemon.ExitOK {
		t.Fatalf("fairlead-broker %s: exit %d: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// TestFirstRun runs the steps of a small installation in the order of the documents.
func TestFirstRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fairlead")
	out := mustCall(t, "init", "--dir", dir, "--tenant", "acme", "--cluster", "prod")
	for _, want := range []string{"broker.yaml", "bridge.yaml", "creds/prod.acme.creds", "tls/ca.crt"} {
		if !strings.Contains(out, want) {
			t.Errorf("init does not mention %s:\n%s", want, out)
		}
	}
	if out := mustCall(t, "check", "--dir", dir); out != "no faults found in 3 accounts, 1 user\n" {
		t.Errorf("check says %q", out)
	}
	if out := mustCall(t, "nats-config", "--dir", dir); !strings.Contains(out, "resolver_preload") || !strings.Contains(out, "# acme\n") {
		t.Errorf("nats-config prints no configuration with the tenant:\n%s", out)
	}

	clients, ops := freeport.AddressFor(t), freeport.AddressFor(t)
	type result struct {
		code   int
		stderr string
	}
	done := make(chan result, 1)
	go func() {
		code, _, stderr := call("run", "--config", filepath.Join(dir, "broker.yaml"), "--listen", clients,
			"--websocket-listen", "off", "--ops-listen", ops, "--drain-timeout", "1s")
		done <- result{code, stderr}
	}()
	await(t, "http://"+ops+"/readyz", "takes connections")
	await(t, "http://"+ops+"/livez", "passed")
	await(t, "http://"+ops+"/metrics", "fairlead_broker_guard_up 1")

	server := "tls://" + clients
	connect := func(creds string) (*nats.Conn, error) {
		return nats.Connect(server, nats.UserCredentials(creds), nats.RootCAs(filepath.Join(dir, "tls", "ca.crt")),
			nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12}), nats.NoReconnect(), nats.Timeout(eventually.Bound))
	}
	prod, err := connect(filepath.Join(dir, "creds", "prod.acme.creds"))
	if err != nil {
		t.Fatal(err)
	}
	defer prod.Close()

	untold(t, dir, "globex", "tenant", "add")
	if code, _, stderr := call("tenant", "add", "--dir", dir, "--tenant", "globex", "--server", server); code == daemon.ExitOK || !strings.Contains(stderr, "fairlead-broker push") {
		t.Errorf("tenant add again: exit %d, %q; want a failure that names push", code, stderr)
	}
	if out := mustCall(t, "push", "--dir", dir, "--tenant", "globex", "--server", server); !strings.HasPrefix(out, "Pushed globex to ") {
		t.Errorf("push says %q", out)
	}
	if out := mustCall(t, "tenant", "update", "--dir", dir, "--tenant", "globex", "--server", server); !strings.Contains(out, "has all rights already") || !strings.Contains(out, "Pushed to ") {
		t.Errorf("tenant update says %q", out)
	}
	mustCall(t, "cluster", "add", "--dir", dir, "--tenant", "globex", "--cluster", "stage", "--expires", "1h")
	stage, err := connect(filepath.Join(dir, "creds", "stage.globex.creds"))
	if err != nil {
		t.Fatalf("the cluster of a tenant that was added: %v", err)
	}
	stage.Close()

	if out := mustCall(t, "cert", "renew", "--dir", dir, "--host", "nats.example.com"); !strings.Contains(out, "for localhost, nats.example.com, 127.0.0.1, ::1, until 20") {
		t.Errorf("cert renew says %q", out)
	}
	untold(t, dir, "acme", "cluster", "revoke", "--cluster", "prod")
	if prod.IsClosed() {
		t.Fatal("the broker was notified of the revocation, so repeating it shows nothing")
	}
	mustCall(t, "cluster", "revoke", "--dir", dir, "--tenant", "acme", "--cluster", "prod", "--server", server)
	if out := mustCall(t, "push", "--dir", dir, "--server", server); !strings.Contains(out, "Pushed acme") || !strings.Contains(out, "Pushed globex") {
		t.Errorf("push of all tenants says %q", out)
	}
	eventually.True(t, "the end of the revoked agent's connection", prod.IsClosed)

	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-done:
		if r.code != daemon.ExitOK {
			t.Errorf("run ended with %d: %s", r.code, r.stderr)
		}
		if strings.Contains(r.stderr, "eyJ") {
			t.Error("a JWT is logged")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("run does not end at SIGTERM")
	}
}

// untold runs a command that changes the directory while its broker cannot be
// reached, and must then say what to run.
func untold(t *testing.T, dir, tenant string, command ...string) {
	t.Helper()
	code, _, stderr := call(append(command, "--dir", dir, "--tenant", tenant, "--server", "tls://127.0.0.1:1")...)
	want := "fairlead-broker push --dir " + dir + " --tenant " + tenant
	if code != daemon.ExitFailure || !strings.Contains(stderr, want) {
		t.Fatalf("%v: exit %d, %q; want %d with %q", command, code, stderr, daemon.ExitFailure, want)
	}
}

func await(t *testing.T, url, want string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually.Nil(t, url, func() error {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			return fmt.Errorf("%s %s, %w", response.Status, body, err)
		}
		return nil
	})
}

func TestMistakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	mustCall(t, "init", "--dir", dir)
	broken := filepath.Join(t.TempDir(), "broken")
	mustCall(t, "init", "--dir", broken)
	jwts, _ := filepath.Glob(filepath.Join(broken, "jwt", "*.jwt"))
	for _, f := range jwts {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	typo := filepath.Join(t.TempDir(), "broker.yaml")
	if err := os.WriteFile(typo, []byte("dir: "+dir+"\nlisten-on: \":1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"init"}, daemon.ExitUsage, "dir"},
		{[]string{"init", "--dir", dir}, daemon.ExitFailure, "not empty"},
		{[]string{"init", "--dir", dir + "2", "--cluster", "a.b"}, daemon.ExitUsage, "DNS label"},
		{[]string{"run"}, daemon.ExitUsage, "dir, nats-config"},
		{[]string{"run", "--dir", dir, "--listen", "x"}, daemon.ExitUsage, "listen"},
		{[]string{"run", "--dir", dir, "--cluster-nodes", "-1"}, daemon.ExitUsage, "cluster-nodes"},
		{[]string{"run", "--config", typo}, daemon.ExitUsage, "listen-on"},
		{[]string{"run", "--dir", t.TempDir(), "--ops-listen", ""}, daemon.ExitUsage, "operator.jwt"},
		{[]string{"run", "--dir", broken, "--ops-listen", ""}, daemon.ExitFailure, "is not an account JWT"},
		{[]string{"check", "--dir", broken}, daemon.ExitFailure, "3 faults in 3 accounts, 0 users"},
		{[]string{"check", "--nsc-store", "../../testdata/nsc/careless"}, daemon.ExitFailure, "8 faults in 5 accounts, 4 users"},
		{[]string{"check", "--nsc-store", dir, "--dir", dir}, daemon.ExitUsage, "--nsc-store"},
		{[]string{"check", "--nsc-store", broken + "/tls"}, daemon.ExitUsage, "not an operator's folder"},
		{[]string{"cert", "renew"}, daemon.ExitUsage, "--dir"},
		{[]string{"cert", "renew", "--dir", dir, "--host", "a/b"}, daemon.ExitFailure, "neither a DNS name"},
		{[]string{"cluster", "add", "--cluster", "x"}, daemon.ExitUsage, "--dir"},
		{[]string{"cluster", "add", "--dir", dir, "--cluster", "X"}, daemon.ExitUsage, "DNS label"},
		{[]string{"cluster", "add", "--dir", dir}, daemon.ExitUsage, "--cluster"},
		{[]string{"tenant", "add", "--dir", dir, "--tenant", "Bad_Name"}, daemon.ExitUsage, "DNS label"},
		{[]string{"push", "--dir", "/does/not/exist"}, daemon.ExitUsage, "operator.jwt"},
		{[]string{"check", "--dir", "/does/not/exist"}, daemon.ExitUsage, "operator.jwt"},
		{[]string{"run", "--nats-config", typo, "--ops-listen", ""}, daemon.ExitUsage, "nats-config"},
		{[]string{"run", "--dir", dir, "--ops-listen", "nonsense"}, daemon.ExitUsage, "ops-listen"},
		{[]string{"cluster", "revoke", "--dir", dir, "--cluster", "none"}, daemon.ExitFailure, "--user takes the user's public key"},
		{[]string{"cluster", "add", "--dir", dir, "--cluster", "x", "--expires", "-1h"}, daemon.ExitUsage, "--expires"},
		{[]string{"init", "--dir", dir + "3", "--expires", "-1h"}, daemon.ExitUsage, "--expires"},
		{[]string{"init", "--dir", dir + "3", "--expires", "90ms"}, daemon.ExitUsage, "--expires"},
		{[]string{"tenant", "add", "--dir", dir, "--no-push"}, daemon.ExitUsage, "--tenant is required"},
		{[]string{"run", "--dir", dir, "--drain-timeout", "-5s"}, daemon.ExitUsage, "drain-timeout"},
		{[]string{"run", "--dir", dir, "--max-connects-per-second", "-1"}, daemon.ExitUsage, "max-connects-per-second: -1"},
		{[]string{"run", "--dir", dir, "--ops-listen", "nonsense", "--drain-timeout", "0"}, daemon.ExitUsage, "drain-timeout: 0s"},
		{[]string{"run", "--dir", dir, "--ops-listen", "nonsense", "--drain-timeout", "2562047h"}, daemon.ExitUsage, "drain-timeout: 2562047h"},
		{[]string{"push"}, daemon.ExitUsage, "--dir"},
		{[]string{"nats-config"}, daemon.ExitUsage, "--dir"},
		{[]string{"nats-config", "--dir", "/does/not/exist"}, daemon.ExitUsage, "operator.jwt"},
		{[]string{"cluster", "revoke", "--dir", dir}, daemon.ExitUsage, "exactly one"},
		{[]string{"tenant", "add", "--dir", dir, "--tenant", "t1", "--server", "tls://127.0.0.1:1"}, daemon.ExitFailure, "no broker was notified"},
	} {
		code, _, stderr := call(c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q; want %d with %q", c.args, code, stderr, c.code, c.want)
		}
	}
	mustCall(t, "cluster", "add", "--dir", dir, "--cluster", "twice")
	if code, _, stderr := call("cluster", "add", "--dir", dir, "--cluster", "twice"); code != daemon.ExitFailure || !strings.Contains(stderr, "has credentials already") {
		t.Errorf("cluster add again: exit %d, %q", code, stderr)
	}
	if out := mustCall(t, "tenant", "add", "--dir", dir, "--tenant", "t2", "--no-push"); !strings.Contains(out, "Not pushed") {
		t.Errorf("tenant add --no-push says %q", out)
	}
}
