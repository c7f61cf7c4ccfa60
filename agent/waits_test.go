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

func contents(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWaitsForWhatMayCome: nothing that can come later, or be made good, ends
// the agent. It says what is missing and goes on by itself.
func TestWaitsForWhatMayCome(t *testing.T) {
	b := newTestBroker(t)
	s := kube(t, nil)
	goodFile, _ := b.creds(b.agents, "prod", time.Time{})
	expiredFile, _ := b.creds(b.agents, "prod", time.Now().Add(-72*time.Hour))
	otherFile, _ := b.creds(b.agents, "other", time.Time{})
	dottedFile, _ := b.creds(b.agents, "a.b", time.Time{})
	wrongRoleFile, _ := b.creds(b.bridges, "prod", time.Time{})
	muteFile, _ := b.creds(b.role("mute", []string{"other"}, []string{"down.{{name()}}.>"}), "prod", time.Time{})
	good, other, ca := contents(t, goodFile), contents(t, otherFile), contents(t, b.caFile)
	seed := strings.Index(good, "-----BEGIN USER NKEY SEED-----")
	otherSeed := strings.Index(other, "-----BEGIN USER NKEY SEED-----")
	for name, test := range map[string]struct {
		creds, ca string // contents at first; "-" for no file
		want      string
	}{
		"creds missing":              {"-", ca, "credentials: open "},
		"creds empty":                {"", ca, "holds no user JWT"},
		"creds garbage":              {"hello\n", ca, "no NATS credentials file"},
		"creds without seed":         {good[:seed], ca, "holds no user seed"},
		"creds mixed up":             {good[:seed] + other[otherSeed:], ca, "belongs to another user"},
		"creds expired":              {contents(t, expiredFile), ca, "credentials of cluster prod expired on "},
		"creds of another":           {other, ca, "are for cluster"},
		"creds of no cluster":        {contents(t, dottedFile), ca, "not a DNS label"},
		"creds of another role":      {contents(t, wrongRoleFile), ca, "lack a permission that an agent needs"},
		"creds that may not publish": {contents(t, muteFile), ca, "lack a permission that an agent needs"},
		"ca missing":                 {good, "-", "ca: CA certificates: open "},
		"ca garbage":                 {good, "hello\n", "no PEM certificate in it"},
		"ca of somebody else's":      {good, string(newCA(t, "other").pem()), "certificate does not verify (see --ca)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			credsFile, caFile := filepath.Join(dir, "creds"), filepath.Join(dir, "ca.crt")
			for file, text := range map[string]string{credsFile: test.creds, caFile: test.ca} {
				if text != "-" {
					writeFile(t, file, text)
				}
			}
			a, _, log := runAgent(t, Config{Servers: []string{b.url()}, CredsFile: credsFile, CAFile: caFile, Cluster: "prod", Kube: configFor(s)})
			waitFor(t, "the reason: "+test.want, func() bool {
				text, ok := brokerCheck(t, a)
				return !ok && strings.Contains(text, test.want)
			})
			if _, err := a.LiveCheck(t.Context()); err != nil {
				t.Errorf("a restart is asked for, which mends nothing: %v", err)
			}
			for file, text := range map[string]string{credsFile: good, caFile: ca} {
				writeFile(t, file+".new", text)
				if err := os.Rename(file+".new", file); err != nil {
					t.Fatal(err)
				}
			}
			waitForLong(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
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
	b := newTestBroker(t)
	s := kube(t, nil)
	creds, _ := b.creds(b.agents, "prod", time.Time{})
	base := Config{Servers: []string{b.url()}, CredsFile: creds, CAFile: b.caFile}
	for name, test := range map[string]struct {
		want    string
		prepare func(t *testing.T, c *Config) (mend func())
	}{
		"kubeconfig": {"kubeconfig ", func(t *testing.T, c *Config) func() {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			c.LoadKube = func() (*rest.Config, error) { return LoadKube(file, "") }
			return func() { writeFile(t, file, kubeconfigFor(s)) }
		}},
		"kubeconfig that is not safe": {"skips TLS verification", func(t *testing.T, c *Config) func() {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			writeFile(t, file, strings.Replace(kubeconfigFor(s), "certificate-authority-data:", "insecure-skip-tls-verify: true #", 1))
			c.LoadKube = func() (*rest.Config, error) { return LoadKube(file, "") }
			return func() { writeFile(t, file, kubeconfigFor(s)) }
		}},
		"token": {"no such file", func(t *testing.T, c *Config) func() {
			c.Kube = configFor(s)
			c.Kube.BearerTokenFile = filepath.Join(t.TempDir(), "token")
			return func() { writeFile(t, c.Kube.BearerTokenFile, "x") }
		}},
		"ca": {"no such file", func(t *testing.T, c *Config) func() {
			c.Kube = configFor(s)
			ca := string(c.Kube.CAData)
			c.Kube.CAData, c.Kube.CAFile = nil, filepath.Join(t.TempDir(), "ca")
			return func() { writeFile(t, c.Kube.CAFile, ca) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := base
			mend := test.prepare(t, &cfg)
			a, _, log := runAgent(t, cfg)
			waitFor(t, test.want, func() bool {
				_, err := a.APIServerCheck(t.Context())
				return err != nil && strings.Contains(err.Error(), test.want)
			})
			waitFor(t, "a log line", func() bool { return strings.Contains(log.String(), test.want) })
			// The broker may still be connecting: that comes first in the text.
			waitFor(t, "the broker to wait for the API server", func() bool {
				text, ok := brokerCheck(t, a)
				return !ok && strings.Contains(text, "how to reach the API server")
			})
			if _, err := a.LiveCheck(t.Context()); err != nil {
				t.Errorf("a restart is asked for: %v", err)
			}
			mend()
			waitForLong(t, "ready", func() bool {
				_, err := a.APIServerCheck(t.Context())
				_, ok := brokerCheck(t, a)
				return err == nil && ok
			})
		})
	}
}

// TestTellsAllThatIsMissing: who mends one thing does not find the next only
// then.
func TestTellsAllThatIsMissing(t *testing.T) {
	b := newTestBroker(t)
	s := kube(t, nil)
	good, _ := b.creds(b.agents, "prod", time.Time{})
	dir := t.TempDir()
	creds, config := filepath.Join(dir, "creds"), filepath.Join(dir, "kubeconfig")
	a, _, log := runAgent(t, Config{
		Servers: []string{b.url()}, CredsFile: creds, CAFile: b.caFile,
		LoadKube: func() (*rest.Config, error) { return LoadKube(config, "") },
	})
	for _, want := range []string{"credentials: open " + creds, "how to reach the API server"} {
		waitFor(t, want, func() bool { text, ok := brokerCheck(t, a); return !ok && strings.Contains(text, want) })
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q was logged %d times:\n%s", want, n, log)
		}
	}
	if _, err := a.APIServerCheck(t.Context()); err == nil || !strings.Contains(err.Error(), config) {
		t.Errorf("API server: %v", err)
	}
	writeFile(t, config, kubeconfigFor(s))
	writeFile(t, creds, contents(t, good))
	waitForLong(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
}

// TestLostServerIsTriedLast: behind it may be a path that takes everything and
// answers nothing.
func TestLostServerIsTriedLast(t *testing.T) {
	servers, err := checkServers([]string{"tls://a", "tls://b", "tls://c"})
	if err != nil {
		t.Fatal(err)
	}
	c := &connector{servers: servers, avoid: servers[1]}
	firsts := map[int]bool{}
	for range 200 {
		order := c.order()
		if order[2] != 1 {
			t.Fatalf("order %v, want the second at the end", order)
		}
		firsts[order[0]] = true
	}
	if len(firsts) != 2 {
		t.Errorf("first was always one of %v: agents would all go to the same server", firsts)
	}
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
	b := newTestBroker(t)
	b.stop()
	s := kube(t, func(http.ResponseWriter, *http.Request) {})
	creds, public := b.creds(b.agents, "prod", time.Time{})
	a, _, _ := runAgent(t, Config{Servers: []string{b.url()}, CredsFile: creds, CAFile: b.caFile, Kube: configFor(s)})
	waitFor(t, "the reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "connection refused") })
	// The reason is that of the last attempt, also before the first success.
	b.account.Revoke(public)
	b.push()
	b.start()
	waitForLong(t, "another reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "the broker refuses") })
	b.account.Revocations = nil
	b.push()
	waitForLong(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
}
