package serve

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

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestChangedCAIsTrusted(t *testing.T) {
	one, two := testca.New(t, "one"), testca.New(t, "two")
	var current atomic.Pointer[tls.Certificate]
	cert := one.Peer("server")
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
	cert = two.Peer("server")
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
		config, err := upstream.LoadConfig(file, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPair(t, config)
		if _, b := p.do(t, agenttest.Get("/"), nil); string(b) != want {
			t.Errorf("user %q: API server saw %q, want %q", user, b, want)
		}
		if _, err := upstream.LoadConfig(file, "none"); err == nil || !strings.Contains(err.Error(), "none") {
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
	config, err := upstream.LoadConfig(file, "")
	if err != nil {
		t.Fatal(err)
	}
	agenttest.WantReset(t, newPair(t, config).open(t, agenttest.Post("/", 0), nil, true), subjects.CodeUnreachable)
}

// TestRedirectToOwnHost: of a redirect to the API server's own host only the path is
// passed on, without the path of the configured server.
func TestRedirectToOwnHost(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{"https://" + r.Host + r.URL.Path + "/"}
			w.Header()["Content-Location"] = []string{"https://elsewhere.example/x"}
			w.WriteHeader(http.StatusPermanentRedirect)
		})
		for _, prefix := range []string{"", "/below/a/path"} {
			config := agenttest.ConfigFor(s)
			config.Host += prefix
			head, _ := newPair(t, config).do(t, agenttest.Post("/api/v1", 0), nil)
			if got := head.Header.Get("Location"); head.Status != 308 || got != "/api/v1/" {
				t.Errorf("with prefix %q: status %d to %q, want only the path", prefix, head.Status, got)
			}
			if got := head.Header.Get("Content-Location"); got != "https://elsewhere.example/x" {
				t.Errorf("another host became %q", got)
			}
		}
	})
}
