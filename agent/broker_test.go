package agent

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestConnectionFailuresAreReported: readiness and the first warning in the log
// name the cause and the server.
func TestConnectionFailuresAreReported(t *testing.T) {
	b := agenttest.NewBroker(t)
	otherCA := filepath.Join(t.TempDir(), "ca.crt")
	agenttest.WriteFile(t, otherCA, string(testca.New(t, "other").PEM()))
	base, _, _ := working(t, b)
	for want, change := range map[string]func(*Config){
		"signed by unknown authority":                        func(c *Config) { c.Transport.CAFile = otherCA },
		"the broker refuses the credentials of cluster prod": func(c *Config) { c.CredsFile = b.RefusedCreds() },
		"no such host":       func(c *Config) { c.Servers = []string{"tls://no-such-host.invalid:4222"} },
		"connection refused": func(c *Config) { c.Servers = []string{"tls://127.0.0.1:1"} },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := base
			change(&cfg)
			a, _, log := runAgent(t, cfg)
			waitBroker(t, a, want, func(err error) bool { return err != nil && strings.Contains(err.Error(), want) })
			agenttest.WaitFor(t, "a log line", func() bool { return strings.Contains(log.String(), want) })
			if _, err := a.BrokerCheck(t.Context()); !strings.Contains(err.Error(), cfg.Servers[0]) {
				t.Errorf("readiness does not name the server: %v", err)
			}
			first := firstWarning(log.String())
			if !strings.Contains(first, want) || !strings.Contains(first, cfg.Servers[0]) || !strings.Contains(first, "cannot connect") {
				t.Errorf("first warning: %s", first)
			}
			if n := strings.Count(log.String(), want); n > 2 {
				t.Errorf("logged %d times within moments:\n%s", n, log)
			}
		})
	}
}

// working is the configuration of an agent that works, with its credentials.
func working(t *testing.T, b *agenttest.Broker) (cfg Config, credsFile, user string) {
	t.Helper()
	credsFile, user = b.Creds(b.Agents, "prod", time.Time{})
	s := agenttest.Kube(t, nil)
	return Config{Servers: []string{b.URL()}, CredsFile: credsFile, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))}, credsFile, user
}

// waitBroker waits until the broker's readiness check returns an error that is
// ok.
func waitBroker(t *testing.T, a *Agent, what string, ok func(err error) bool) {
	t.Helper()
	agenttest.WaitFor(t, what, func() bool { _, err := a.BrokerCheck(t.Context()); return ok(err) })
}

func connected(err error) bool { return err == nil }

// firstWarning is the first one about the broker.
func firstWarning(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "broker") && strings.Contains(line, "WARN") {
			return line
		}
	}
	return ""
}

// TestRevokedWhileConnected: the reason is the revocation, also after further
// attempts, and the running agent takes new credentials from its file.
func TestRevokedWhileConnected(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg, file, user := working(t, b)
	a, _, log := runAgent(t, cfg)
	waitBroker(t, a, "connected", connected)
	b.Account.Revoke(user)
	b.Push()
	revoked := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), ": credential revoked [user-revoked] ")
	}
	waitBroker(t, a, "the revocation is reported", revoked)
	// A further attempt learns less from the broker; the reason stays.
	agenttest.WaitFor(t, "another attempt", func() bool { return strings.Contains(log.String(), "cannot connect to broker") })
	if _, err := a.BrokerCheck(t.Context()); !revoked(err) {
		t.Errorf("after another attempt: %v", err)
	}
	if !strings.Contains(log.String(), `cause=user-revoked`) || strings.Contains(log.String(), "of an unknown tenant") {
		t.Errorf("log:\n%s", log)
	}
	fresh, _ := b.Creds(b.Agents, "prod", time.Time{})
	agenttest.WriteFile(t, file, agenttest.ReadFile(t, fresh))
	eventually.True(t, "connected again", func() bool { _, err := a.BrokerCheck(t.Context()); return err == nil })
}

// TestStoppingIsNoLoss: an agent that is stopped warns of nothing.
func TestStoppingIsNoLoss(t *testing.T) {
	cfg, _, _ := working(t, agenttest.NewBroker(t))
	a, stop, log := runAgent(t, cfg)
	waitBroker(t, a, "connected", connected)
	stop()
	waitBroker(t, a, "the end of the connection", func(err error) bool { return err != nil && strings.Contains(err.Error(), "stopping") })
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("a warning about what the agent did itself:\n%s", log)
	}
}

func TestExpiredWhileConnected(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg, _, _ := working(t, b)
	cfg.CredsFile, _ = b.Creds(b.Agents, "prod", time.Now().Add(2*time.Second))
	a, _, _ := runAgent(t, cfg)
	waitBroker(t, a, "the expiry is reported", func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "credentials of cluster prod expired on ")
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
		{"read HTTPS_PROXY): it names a proxy of type", func(*Config) { t.Setenv("HTTPS_PROXY", "socks4://u:secret@proxy") }},
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
