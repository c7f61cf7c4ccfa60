package agent

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestChangedCAIsTrusted(t *testing.T) {
	one, two := agenttest.NewCA(t, "one"), agenttest.NewCA(t, "two")
	var current atomic.Pointer[tls.Certificate]
	cert := one.Issue(t, "server")
	current.Store(&cert)
	s := agenttest.Server(t, true, func(http.ResponseWriter, *http.Request) {})
	s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*current.Load()}, NextProtos: []string{"h2", "http/1.1"}}, nil
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	agenttest.WriteFile(t, file, string(one.PEM()))
	p := newPair(t, &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAFile: file}})
	if h, _ := p.do(t, agenttest.Get("/"), nil); h.Status != 200 {
		t.Fatalf("got %d", h.Status)
	}
	// The API server's certificate is renewed under another CA; the agent's
	// old connections go.
	cert = two.Issue(t, "server")
	current.Store(&cert)
	s.CloseClientConnections()
	agenttest.WaitFor(t, "the new certificate is refused", func() bool {
		st := p.open(t, agenttest.Get("/"), nil, true)
		_, err := io.Copy(io.Discard, st)
		return subjects.CodeOf(err) == subjects.CodeUntrusted
	})
	agenttest.WriteFile(t, file, string(two.PEM()))
	agenttest.WaitFor(t, "the new CA is read", func() bool {
		st := p.open(t, agenttest.Get("/"), nil, true)
		h, err := agenttest.AnswerHead(st)
		return err == nil && h.Status == 200
	})
}

func TestChangedTokenIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		agenttest.WriteFile(t, file, "one\n")
		b, err := newBearerSource(&transport.Config{BearerTokenFile: file})
		if err != nil {
			t.Fatal(err)
		}
		agenttest.WriteFile(t, file, "two\n")
		if got := b.header()[0]; got != "Bearer one" {
			t.Errorf("got %q; the file is looked at once a minute", got)
		}
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q", got)
		}
		_ = os.Remove(file)
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q; a lost file leaves the token", got)
		}
	})
}

func TestCredentialsOfEveryKind(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s", r.Header.Get("Authorization"), r.Header.Get("Impersonate-User"))
	})
	plugin := filepath.Join(t.TempDir(), "plugin")
	agenttest.WriteFile(t, plugin, `#!/bin/sh
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}'
`)
	if err := os.Chmod(plugin, 0o700); err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	agenttest.WriteFile(t, caFile, string(agenttest.ConfigFor(s).CAData))
	for user, want := range map[string]string{
		"token: abc":                                "Bearer abc|",
		"username: u\n    password: p":              "Basic dTpw|",
		"token: abc\n    as: system:serviceaccount": "Bearer abc|system:serviceaccount",
		"exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      command: " + plugin: "Bearer from-plugin|",
	} {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		agenttest.WriteFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts:
- name: c
  context: {cluster: c, user: u}
- name: other
  context: {cluster: none, user: u}
clusters:
- name: c
  cluster: {server: %q, certificate-authority: %q}
users:
- name: u
  user:
    %s
`, s.URL, caFile, user))
		config, err := LoadKube(file, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPair(t, config)
		if _, b := p.do(t, agenttest.Get("/"), nil); string(b) != want {
			t.Errorf("user %q: API server saw %q, want %q", user, b, want)
		}
		if _, err := LoadKube(file, "none"); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("unknown context: got %v", err)
		}
	}
}

func TestExecPluginThatFails(t *testing.T) {
	s := agenttest.Server(t, true, func(http.ResponseWriter, *http.Request) { t.Error("sent without credentials") })
	config := agenttest.ConfigFor(s)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	agenttest.WriteFile(t, caFile, string(config.CAData))
	agenttest.WriteFile(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/false}}}]
`, s.URL, caFile))
	config, err := LoadKube(file, "")
	if err != nil {
		t.Fatal(err)
	}
	agenttest.WantReset(t, newPair(t, config).open(t, agenttest.Post("/", 0), nil, true), subjects.CodeUnreachable)
}

func TestUnsafeUpstreamsAreRefused(t *testing.T) {
	for want, config := range map[string]*rest.Config{
		"insecure-skip-tls-verify": {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{Insecure: true}},
		"plain HTTP":               {Host: "http://a.example"},
		"no PEM certificate":       {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/dev/null"}},
		"no such file":             {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}},
		"token":                    {Host: "https://a.example", BearerTokenFile: "/does/not/exist"},
	} {
		if _, err := NewUpstream(config, agenttest.Discard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := NewUpstream(&rest.Config{Host: "http://127.0.0.1:1"}, agenttest.Discard()); err != nil {
		t.Errorf("plain HTTP to the machine itself: %v", err)
	}
}
