package broker

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNATSConfigOfLayout starts a node from one file and an empty resolver, as
// a new pod does, and connects a tenant's agent and a bridge without a push.
func TestNATSConfigOfLayout(t *testing.T) {
	l := newLayout(t)
	text, err := l.NATSConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "resolver.conf")
	write(t, file, text)
	resolver := filepath.Join(t.TempDir(), "jwt")
	cfg := Config{
		NATSConfig: file, ResolverDir: resolver, GuardCreds: l.GuardCredsFile(),
		TLSCert: l.ServerCertFile(), TLSKey: l.ServerKeyFile(),
		Listen: "127.0.0.1:0", WebsocketListen: Off, Logger: testLog(t),
	}
	if report, err := Check(cfg); err != nil || len(report.Findings) > 0 {
		t.Fatalf("check: %v, %v", report, err)
	}
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)
	agent := mustConnect(t, l, b.ClientURL(), agentCreds(t, l, "acme", "prod"))
	bridge := mustConnect(t, l, b.ClientURL(), bridgeCreds(t, l, "acme", "b1"))
	if err := roundTrip(bridge, agent, "b1", "prod", "a1"); err != nil {
		t.Fatal(err)
	}

	// A node that is new knows what was revoked before the file was written.
	newer, err := l.RevokeUser("acme", userOf(t, agentCreds(t, l, "acme", "prod")))
	if err != nil {
		t.Fatal(err)
	}
	if text, err = l.NATSConfig(); err != nil || !strings.Contains(text, newer) {
		t.Errorf("written after a revocation, the file has the account from before (%v)", err)
	}
}
