package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/agent/agenttest"
)

func TestConnectionFailuresAreTold(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	good, public := b.Creds(b.Agents, "prod", time.Time{})
	stranger, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := b.Creds(stranger, "prod", time.Time{})
	otherCA := filepath.Join(t.TempDir(), "ca.crt")
	agenttest.WriteFile(t, otherCA, string(agenttest.NewCA(t, "other").PEM()))
	base := Config{Servers: []string{b.URL()}, CredsFile: good, CAFile: b.CAFile, LoadKube: loads(agenttest.ConfigFor(s))}
	for want, change := range map[string]func(*Config){
		"certificate does not verify (see --ca)":             func(c *Config) { c.CAFile = otherCA },
		"the broker refuses the credentials of cluster prod": func(c *Config) { c.CredsFile = foreign },
		"cannot be resolved":                                 func(c *Config) { c.Servers = []string{"tls://no-such-host.invalid:4222"} },
		"connection refused":                                 func(c *Config) { c.Servers = []string{"tls://127.0.0.1:1"} },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := base
			change(&cfg)
			a, _, log := runAgent(t, cfg)
			agenttest.WaitFor(t, want, func() bool { _, err := a.BrokerCheck(t.Context()); return strings.Contains(err.Error(), want) })
			agenttest.WaitFor(t, "a log line", func() bool { return strings.Contains(log.String(), want) })
			// The very first complaint names the cause and the server.
			first := ""
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, "broker") && strings.Contains(line, "WARN") {
					first = line
					break
				}
			}
			if _, err := a.BrokerCheck(t.Context()); !strings.Contains(err.Error(), cfg.Servers[0]) {
				t.Errorf("readiness does not name the server: %v", err)
			}
			if !strings.Contains(first, want) || !strings.Contains(first, cfg.Servers[0]) || !strings.Contains(first, "cannot connect") {
				t.Errorf("first complaint: %s", first)
			}
			if n := strings.Count(log.String(), want); n > 2 {
				t.Errorf("said %d times within moments:\n%s", n, log)
			}
		})
	}
	t.Run("revoked while connected", func(t *testing.T) {
		a, _, log := runAgent(t, base)
		agenttest.WaitFor(t, "connected", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
		b.Account.Revoke(public)
		b.Push()
		agenttest.WaitFor(t, "the revocation is told", func() bool {
			_, err := a.BrokerCheck(t.Context())
			return err != nil && strings.HasSuffix(err.Error(), ": credential revoked")
		})
		// Whoever tries again is told less; the reason stays.
		agenttest.WaitFor(t, "another attempt", func() bool { return strings.Contains(log.String(), "cannot connect to broker") })
		if _, err := a.BrokerCheck(t.Context()); err == nil || !strings.HasSuffix(err.Error(), ": credential revoked") {
			t.Errorf("after another attempt: %v", err)
		}
		if !strings.Contains(log.String(), `error="credential revoked"`) || strings.Contains(log.String(), "of an unknown tenant") {
			t.Errorf("log:\n%s", log)
		}
		// The Secret gets new credentials: the running agent takes them up.
		fresh, _ := b.Creds(b.Agents, "prod", time.Time{})
		text, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		agenttest.WriteFile(t, good, string(text))
		waitForLong(t, "connected again", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
	})
	t.Run("stopped", func(t *testing.T) {
		a, stop, log := runAgent(t, base)
		agenttest.WaitFor(t, "connected", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
		stop()
		agenttest.WaitFor(t, "the end of the connection", func() bool {
			_, err := a.BrokerCheck(t.Context())
			return err != nil && strings.Contains(err.Error(), "stopping")
		})
		if strings.Contains(log.String(), "WARN") {
			t.Errorf("a warning about what the agent did itself:\n%s", log)
		}
	})
	t.Run("expired while connected", func(t *testing.T) {
		short, _ := b.Creds(b.Agents, "prod", time.Now().Add(2*time.Second))
		cfg := base
		cfg.CredsFile = short
		a, _, _ := runAgent(t, cfg)
		agenttest.WaitFor(t, "the expiry is told", func() bool {
			_, err := a.BrokerCheck(t.Context())
			return err != nil && strings.Contains(err.Error(), "credentials of cluster prod expired on ")
		})
	})
}

func TestBadConfigurationIsRefused(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{"server: none given", func(c *Config) { c.Servers = nil }},
		{"is not a URL", func(c *Config) { c.Servers = []string{"broker:4222"} }},
		{"only allowed on loopback", func(c *Config) { c.Servers = []string{"nats://broker:4222"} }},
		{`scheme "https": use tls:// or wss://`, func(c *Config) { c.Servers = []string{"https://broker"} }},
		{"the URL has a user", func(c *Config) { c.Servers = []string{"tls://u:secret@broker:4222"} }},
		{"creds: no credentials file given", func(c *Config) { c.CredsFile = "" }},
		{"cluster: ", func(c *Config) { c.Cluster = "a.b" }},
		{"max-streams", func(c *Config) { c.MaxStreams = -1 }},
		{"HTTPS_PROXY: a proxy of type", func(*Config) { t.Setenv("HTTPS_PROXY", "socks5://u:secret@proxy") }},
	} {
		cfg := Config{Servers: []string{"tls://broker:4222"}, CredsFile: "x"}
		test.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q in it", err, test.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("shows a secret: %v", err)
		}
	}
	t.Setenv("HTTPS_PROXY", "")
	if _, err := New(Config{Servers: []string{"tls://b:4222", "wss://x/y"}, CredsFile: "x", Cluster: "prod"}); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}
