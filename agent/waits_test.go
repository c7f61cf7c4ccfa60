package agent

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// brokerCheck returns the readiness check's text and whether it is good.
func brokerCheck(t *testing.T, a *Agent) (string, bool) {
	t.Helper()
	text, err := a.BrokerCheck(t.Context())
	if err != nil {
		return err.Error(), false
	}
	return text, true
}

// TestWaitsForWhatMayCome: the agent does not end for anything that may appear later
// or can be corrected. It says what is missing, and continues by itself.
func TestWaitsForWhatMayCome(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	goodFile, _ := b.Creds(b.Agents, "prod", time.Time{})
	expiredFile, _ := b.Creds(b.Agents, "prod", time.Now().Add(-72*time.Hour))
	otherFile, _ := b.Creds(b.Agents, "other", time.Time{})
	dottedFile, _ := b.Creds(b.Agents, "a.b", time.Time{})
	wrongRoleFile, _ := b.Creds(b.Bridges, "prod", time.Time{})
	muteFile, _ := b.Creds(b.Role("mute", []string{"other"}, []string{"down.{{name()}}.>"}), "prod", time.Time{})
	good, other, ca := agenttest.ReadFile(t, goodFile), agenttest.ReadFile(t, otherFile), agenttest.ReadFile(t, b.CAFile)
	seed := strings.Index(good, "-----BEGIN USER NKEY SEED-----")
	otherSeed := strings.Index(other, "-----BEGIN USER NKEY SEED-----")
	for name, test := range map[string]struct {
		creds, ca string // contents at first; "-" for no file
		want      string
	}{
		"creds missing":              {"-", ca, "credentials: open "},
		"creds empty":                {"", ca, "holds no user JWT"},
		"creds garbage":              {"hello\n", ca, "not a NATS credentials file"},
		"creds without seed":         {good[:seed], ca, "holds no user seed"},
		"creds mixed up":             {good[:seed] + other[otherSeed:], ca, "belongs to another user"},
		"creds expired":              {agenttest.ReadFile(t, expiredFile), ca, "credentials of cluster prod expired on "},
		"creds of another":           {other, ca, "are for cluster"},
		"creds of no cluster":        {agenttest.ReadFile(t, dottedFile), ca, "not a DNS label"},
		"creds of another role":      {agenttest.ReadFile(t, wrongRoleFile), ca, "lack a permission that an agent needs"},
		"creds that may not publish": {agenttest.ReadFile(t, muteFile), ca, "lack a permission that an agent needs"},
		"ca missing":                 {good, "-", "ca: CA certificates: open "},
		"ca garbage":                 {good, "hello\n", "no PEM certificate in it"},
		"ca of somebody else's":      {good, string(testca.New(t, "other").PEM()), "signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			credsFile, caFile := filepath.Join(dir, "creds"), filepath.Join(dir, "ca.crt")
			for file, text := range map[string]string{credsFile: test.creds, caFile: test.ca} {
				if text != "-" {
					agenttest.WriteFile(t, file, text)
				}
			}
			a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: credsFile, Transport: transport.Config{CAFile: caFile}, Cluster: "prod", LoadKube: loads(agenttest.ConfigFor(s))})
			agenttest.WaitFor(t, "the reason: "+test.want, func() bool {
				text, ok := brokerCheck(t, a)
				return !ok && strings.Contains(text, test.want)
			})
			if _, err := a.LiveCheck(t.Context()); err != nil {
				t.Errorf("a restart is asked for, which would not help: %v", err)
			}
			for file, text := range map[string]string{credsFile: good, caFile: ca} {
				agenttest.WriteFile(t, file+".new", text)
				if err := os.Rename(file+".new", file); err != nil {
					t.Fatal(err)
				}
			}
			eventually.True(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
			text := log.String()
			if n := strings.Count(text, test.want); n != 1 {
				t.Errorf("%q was logged %d times, want once a minute:\n%s", test.want, n, text)
			}
			if strings.Contains(text, "eyJ") || strings.Contains(text, "SUA") {
				t.Error("a secret was logged")
			}
		})
	}
}

// TestWaitsForTheWayToTheAPIServer: a kubeconfig, a CA or a token may come
// later than the agent.
func TestWaitsForTheWayToTheAPIServer(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	base := Config{Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}}
	for name, test := range map[string]struct {
		want    string
		prepare func(t *testing.T, c *Config) (repair func())
	}{
		"kubeconfig": {"kubeconfig ", func(t *testing.T, c *Config) func() {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			c.LoadKube = func() (*rest.Config, error) { return upstream.LoadConfig(file, "") }
			return func() { agenttest.WriteFile(t, file, kubeconfigFor(s)) }
		}},
		"kubeconfig that is not safe": {"skips TLS verification", func(t *testing.T, c *Config) func() {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			agenttest.WriteFile(t, file, strings.Replace(kubeconfigFor(s), "certificate-authority-data:", "insecure-skip-tls-verify: true #", 1))
			c.LoadKube = func() (*rest.Config, error) { return upstream.LoadConfig(file, "") }
			return func() { agenttest.WriteFile(t, file, kubeconfigFor(s)) }
		}},
		"token": {"no such file", func(t *testing.T, c *Config) func() {
			kube := agenttest.ConfigFor(s)
			kube.BearerTokenFile = filepath.Join(t.TempDir(), "token")
			c.LoadKube = loads(kube)
			return func() { agenttest.WriteFile(t, kube.BearerTokenFile, "x") }
		}},
		"ca": {"no such file", func(t *testing.T, c *Config) func() {
			kube := agenttest.ConfigFor(s)
			ca := string(kube.CAData)
			kube.CAData, kube.CAFile = nil, filepath.Join(t.TempDir(), "ca")
			c.LoadKube = loads(kube)
			return func() { agenttest.WriteFile(t, kube.CAFile, ca) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := base
			repair := test.prepare(t, &cfg)
			a, _, log := runAgent(t, cfg)
			agenttest.WaitFor(t, test.want, func() bool {
				_, err := a.APIServerCheck(t.Context())
				return err != nil && strings.Contains(err.Error(), test.want)
			})
			agenttest.WaitFor(t, "a log line", func() bool { return strings.Contains(log.String(), test.want) })
			// The broker may still be connecting: that comes first in the text.
			agenttest.WaitFor(t, "the broker to wait for the API server", func() bool {
				text, ok := brokerCheck(t, a)
				return !ok && strings.Contains(text, "how to reach the API server")
			})
			if _, err := a.LiveCheck(t.Context()); err != nil {
				t.Errorf("a restart is asked for: %v", err)
			}
			repair()
			eventually.True(t, "ready", func() bool {
				_, err := a.APIServerCheck(t.Context())
				_, ok := brokerCheck(t, a)
				return err == nil && ok
			})
		})
	}
}

// TestTellsAllThatIsMissing: a second missing thing is not reported only after
// the first has been put right.
func TestTellsAllThatIsMissing(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	good, _ := b.Creds(b.Agents, "prod", time.Time{})
	dir := t.TempDir()
	creds, config := filepath.Join(dir, "creds"), filepath.Join(dir, "kubeconfig")
	a, _, log := runAgent(t, Config{
		Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile},
		LoadKube: func() (*rest.Config, error) { return upstream.LoadConfig(config, "") },
	})
	for _, want := range []string{"credentials: open " + creds, "how to reach the API server"} {
		agenttest.WaitFor(t, want, func() bool { text, ok := brokerCheck(t, a); return !ok && strings.Contains(text, want) })
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q was logged %d times:\n%s", want, n, log)
		}
	}
	if _, err := a.APIServerCheck(t.Context()); err == nil || !strings.Contains(err.Error(), config) {
		t.Errorf("API server: %v", err)
	}
	agenttest.WriteFile(t, config, kubeconfigFor(s))
	agenttest.WriteFile(t, creds, agenttest.ReadFile(t, good))
	eventually.True(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
}

func kubeconfigFor(s *httptest.Server) string {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "%s",
  certificate-authority-data: %s
  }}],
contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: x}}]}
`, s.URL, base64Of(ca))
}

// TestBrokerMayComeLater: neither broker nor API server has to be there first.
func TestBrokerMayComeLater(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.Stop()
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {})
	creds, public := b.Creds(b.Agents, "prod", time.Time{})
	a, _, _ := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
	agenttest.WaitFor(t, "the reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "connection refused") })
	// The reason is that of the last attempt, also before the first success.
	b.Account.Revoke(public)
	b.Push()
	b.Start()
	eventually.True(t, "another reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "the broker refuses") })
	b.Account.Revocations = nil
	b.Push()
	eventually.True(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
}
