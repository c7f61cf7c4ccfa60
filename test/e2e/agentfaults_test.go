package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestAgentsThatCannotConnect: a misconfigured agent reports the mistake in its
// log and at /readyz, and disturbs no other agent.
func TestAgentsThatCannotConnect(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{})
	bad := sp.makeBadFiles(s)
	for _, tt := range []struct {
		name    string
		options harness.AgentOptions
		want    []string // one of these is reported
	}{
		{"wrong-operator", harness.AgentOptions{Creds: filepath.Join(bad.other, "creds", "prod.acme.creds")},
			[]string{"the broker refuses the credentials of cluster prod"}},
		{"expired", harness.AgentOptions{Creds: filepath.Join(s.Config, "creds", "brief.acme.creds")}, []string{"credentials of cluster brief expired on"}},
		{"wrong-ca", harness.AgentOptions{CA: filepath.Join(bad.other, "tls", "ca.crt")}, []string{"x509"}},
		{"no-broker", harness.AgentOptions{Servers: "tls://" + bad.noBroker}, []string{"connection refused"}},
		{"wrong-api-ca", harness.AgentOptions{Kubeconfig: bad.kubeCA}, []string{"x509"}},
		{"wrong-api-token", harness.AgentOptions{Kubeconfig: bad.kubeToken}, []string{"Unauthorized", "401", "unauthorized"}},
		{"garbage", harness.AgentOptions{Creds: bad.creds}, []string{"creds"}},
		{"no-creds", harness.AgentOptions{Creds: filepath.Join(bad.dir, "none.creds")}, []string{"no such file"}},
		{"no-ca", harness.AgentOptions{CA: filepath.Join(bad.dir, "none.crt")}, []string{"no such file"}},
		{"no-kubeconfig", harness.AgentOptions{Kubeconfig: filepath.Join(bad.dir, "none")}, []string{"no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startBadAgent(t, s, tt.name, tt.options)
			wantReason(t, s, n, tt.want)
			if err := n.Stop(45 * time.Second); err != nil {
				t.Error(err)
			}
			wantLog(t, n, tt.want)
		})
	}
	t.Run("bad-server", func(t *testing.T) { // only a different command line can fix it
		n := startBadAgent(t, s, "bad-server", harness.AgentOptions{Servers: "http://nowhere"})
		select {
		case <-n.Done():
		case <-time.After(30 * time.Second):
			t.Fatalf("the agent still runs:\n%s", harness.Tail(n.Log(), 20))
		}
		if n.ExitCode() == 0 {
			t.Error("exit code 0")
		}
		wantLog(t, n, []string{"server"})
	})
	// The agent that is configured correctly was never disturbed.
	if err := s.WaitReachable(t.Context(), s.Ref()); err != nil {
		t.Error(err)
	}
}

// badFiles are files and addresses that an agent cannot work with.
type badFiles struct {
	dir       string
	other     string // the folder of another installation
	creds     string // a file that does not hold credentials
	noBroker  string // an address that nothing listens on
	kubeCA    string // kubeconfig with a CA that did not sign the API server's certificate
	kubeToken string // kubeconfig with a token that is not valid
}

// makeBadFiles also adds a cluster "brief", whose credentials expire after a
// second.
func (sp *space) makeBadFiles(s *harness.System) badFiles {
	sp.t.Helper()
	dir := sp.t.TempDir()
	bad := badFiles{
		dir: dir, other: filepath.Join(dir, "other"), creds: filepath.Join(dir, "garbage.creds"),
		kubeCA: filepath.Join(dir, "bad.kubeconfig"), kubeToken: filepath.Join(dir, "token.kubeconfig"),
	}
	must := func(err error) {
		sp.t.Helper()
		if err != nil {
			sp.t.Fatal(err)
		}
	}
	_, err := s.BrokerCommand(sp.t.Context(), "init", "--dir", bad.other, "--tenant", "acme", "--cluster", "prod")
	must(err)
	_, err = s.BrokerCommand(sp.t.Context(), "cluster", "add", "--dir", s.Config, "--tenant", "acme", "--cluster", "brief", "--expires", "1s")
	must(err)
	must(os.WriteFile(bad.creds, []byte("not credentials\n"), 0o600))
	bad.noBroker, err = freeport.Address()
	must(err)
	ca, err := os.ReadFile(s.CAFile())
	must(err)
	_, err = harness.WriteKubeconfig(bad.kubeCA, sp.kube.Server, ca, "x")
	must(err)
	kubeCA, err := os.ReadFile(sp.kube.CAFile)
	must(err)
	_, err = harness.WriteKubeconfig(bad.kubeToken, sp.kube.Server, kubeCA, "not-a-token")
	must(err)
	return bad
}

func startBadAgent(t *testing.T, s *harness.System, name string, o harness.AgentOptions) *harness.Node {
	t.Helper()
	o.Name, o.NoWait = "agent-"+name, true
	n, err := s.StartAgent(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantReason checks that /readyz gives one of the reasons and that the agent
// keeps trying.
func wantReason(t *testing.T, s *harness.System, n *harness.Node, reasons []string) {
	t.Helper()
	err := harness.Until(t.Context(), "the reason at /readyz", 30*time.Second, n.Process, func(ctx context.Context) error {
		_, err := s.Get(ctx, n, "/readyz")
		if err == nil {
			return fmt.Errorf("it is ready")
		}
		if !strings.Contains(err.Error(), "503") || !containsAny(err.Error(), reasons) {
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), n, "/livez"); err != nil {
		t.Errorf("livez: %v", err)
	}
}

// wantLog checks that the log contains one of the reasons and no secret.
func wantLog(t *testing.T, n *harness.Node, reasons []string) {
	t.Helper()
	log, err := os.ReadFile(n.Log())
	if err != nil {
		t.Fatal(err)
	}
	if !containsAny(string(log), reasons) {
		t.Errorf("the log does not say any of %q:\n%s", reasons, harness.Tail(n.Log(), 20))
	}
	if strings.Contains(string(log), "BEGIN USER NKEY SEED") || strings.Contains(string(log), "not-a-token") {
		t.Error("the log has a secret in it")
	}
}

// TestCredentialsThatExpire: an agent whose credentials expire while it runs
// reports it, and reconnects once new ones are in their place.
func TestCredentialsThatExpire(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const lifetime = time.Minute // within which all starts, on a busy machine too
	s := sp.ownSystem(harness.SystemOptions{Expires: lifetime})
	err := harness.Until(t.Context(), "the reason at /readyz", lifetime+30*time.Second, s.Agents[0].Process, func(ctx context.Context) error {
		_, err := s.Get(ctx, s.Agents[0], "/readyz")
		if err == nil {
			return errors.New("it is ready")
		}
		if !strings.Contains(err.Error(), "expired") {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := os.CopyFS(fresh, os.DirFS(s.Config)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(fresh, "creds", "prod.acme.creds")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BrokerCommand(t.Context(), "cluster", "add", "--dir", fresh, "--tenant", "acme", "--cluster", "prod"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(fresh, "creds", "prod.acme.creds"), s.CredsFile()); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReachable(t.Context(), s.Ref()); err != nil {
		t.Error(err)
	}
}

// TestRevocationCutsTheAgent: a revoked credential is useless within 5 s, even
// while requests are running.
func TestRevocationCutsTheAgent(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{})
	tunnel := sp.sideOf(s, s.Ref())
	if _, err := s.BrokerCommand(t.Context(), "cluster", "revoke", "--dir", s.Config, "--tenant", "acme", "--cluster", "prod",
		"--server", s.BrokerURLs()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := harness.Until(t.Context(), "the agent to be cut off", 5*time.Second, nil, func(ctx context.Context) error {
		if n, err := s.Agents[0].ConnectedTo(strings.TrimPrefix(s.BrokerURLs(), "tls://")); err != nil {
			return err
		} else if text, err := s.Get(ctx, s.Agents[0], "/readyz"); err == nil {
			return fmt.Errorf("%d connections, ready: %s", n, text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("cut off after %s", time.Since(began).Round(time.Millisecond))
	sp.until("the bridge to refuse", func(context.Context) error {
		if r := sp.refused(tunnel); r.status != 503 {
			return fmt.Errorf("status %d", r.status)
		}
		return nil
	})
	sp.until("the agent's log to say why", func(context.Context) error { // it may do so after /readyz
		text := harness.Tail(s.Agents[0].Log(), 50)
		if !containsAny(strings.ToLower(text), []string{"revo", "authorization"}) {
			return errors.New(text)
		}
		return nil
	})
}
