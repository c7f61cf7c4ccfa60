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
)

// TestAgentsThatCannotConnect: an agent that is set up wrongly says what is
// wrong, in its log and at /readyz, and harms nobody.
func TestAgentsThatCannotConnect(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{})
	tmp := t.TempDir()

	other := filepath.Join(tmp, "other")
	if _, err := s.BrokerCommand(t.Context(), "init", "--dir", other, "--tenant", "acme", "--cluster", "prod"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BrokerCommand(t.Context(), "cluster", "add", "--dir", s.Config, "--tenant", "acme", "--cluster", "brief", "--expires", "1s"); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(tmp, "garbage.creds")
	if err := os.WriteFile(garbage, []byte("not credentials\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	noRoom, err := harness.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	badKube := filepath.Join(tmp, "bad.kubeconfig")
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := harness.WriteKubeconfig(badKube, sp.kube.Server, ca, "x"); err != nil {
		t.Fatal(err)
	}
	badToken := filepath.Join(tmp, "token.kubeconfig")
	kubeCA, err := os.ReadFile(sp.kube.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := harness.WriteKubeconfig(badToken, sp.kube.Server, kubeCA, "not-a-token"); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		name    string
		options harness.AgentOptions
		exits   bool     // at once, since only another command line mends it
		want    []string // one of these is said
	}{
		{"wrong-operator", harness.AgentOptions{Creds: filepath.Join(other, "creds", "prod.acme.creds")}, false,
			[]string{"the broker refuses the credentials of cluster prod"}},
		{"expired", harness.AgentOptions{Creds: filepath.Join(s.Config, "creds", "brief.acme.creds")}, false, []string{"credentials of cluster brief expired on"}},
		{"wrong-ca", harness.AgentOptions{CA: filepath.Join(other, "tls", "ca.crt")}, false, []string{"certificate", "x509"}},
		{"no-broker", harness.AgentOptions{Servers: "tls://" + noRoom}, false, []string{"connection refused"}},
		{"wrong-api-ca", harness.AgentOptions{Kubeconfig: badKube}, false, []string{"certificate", "x509"}},
		{"wrong-api-token", harness.AgentOptions{Kubeconfig: badToken}, false, []string{"Unauthorized", "401", "unauthorized"}},
		{"garbage", harness.AgentOptions{Creds: garbage}, false, []string{"creds"}},
		{"no-creds", harness.AgentOptions{Creds: filepath.Join(tmp, "none.creds")}, false, []string{"no such file"}},
		{"no-ca", harness.AgentOptions{CA: filepath.Join(tmp, "none.crt")}, false, []string{"no such file"}},
		{"no-kubeconfig", harness.AgentOptions{Kubeconfig: filepath.Join(tmp, "none")}, false, []string{"no such file"}},
		{"bad-server", harness.AgentOptions{Servers: "http://nowhere"}, true, []string{"server"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Name, tt.options.NoWait = "agent-"+tt.name, true
			n, err := s.StartAgent(t.Context(), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if tt.exits {
				select {
				case <-n.Done():
				case <-time.After(30 * time.Second):
					t.Fatalf("the agent goes on:\n%s", harness.Tail(n.Log(), 20))
				}
				if n.ExitCode() == 0 {
					t.Error("exit code 0")
				}
			} else {
				err := harness.Until(t.Context(), "the reason at /readyz", 30*time.Second, n.Process, func(ctx context.Context) error {
					_, err := s.Get(ctx, n, "/readyz")
					if err == nil {
						return fmt.Errorf("it is ready")
					}
					if !strings.Contains(err.Error(), "503") || !containsAny(err.Error(), tt.want) {
						return err
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				// It goes on trying.
				if _, err := s.Get(t.Context(), n, "/livez"); err != nil {
					t.Errorf("livez: %v", err)
				}
				if err := n.Stop(45 * time.Second); err != nil {
					t.Error(err)
				}
			}
			log, err := os.ReadFile(n.Log())
			if err != nil {
				t.Fatal(err)
			}
			if !containsAny(string(log), tt.want) {
				t.Errorf("the log does not say any of %q:\n%s", tt.want, harness.Tail(n.Log(), 20))
			}
			if strings.Contains(string(log), "BEGIN USER NKEY SEED") || strings.Contains(string(log), "not-a-token") {
				t.Error("the log has a secret in it")
			}
		})
	}
	// The one that is set up well was never disturbed.
	if err := s.WaitReachable(t.Context(), s.Ref()); err != nil {
		t.Error(err)
	}
}

// TestCredentialsThatExpire: an agent whose credentials expire while it runs
// says so, and is back when it finds new ones in their place.
func TestCredentialsThatExpire(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const lifetime = 20 * time.Second
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

// TestRevocationCutsTheAgent: a revoked credential is of no use within 5 s,
// whatever is under way.
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
	if text := harness.Tail(s.Agents[0].Log(), 50); !strings.Contains(strings.ToLower(text), "revo") && !strings.Contains(strings.ToLower(text), "authorization") {
		t.Errorf("the agent's log does not say why:\n%s", text)
	}
}
