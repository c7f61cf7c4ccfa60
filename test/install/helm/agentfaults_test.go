package helm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// agentFault is a fault in an installation of the agent.
type agentFault struct {
	install func(sp *agentSpace) []string // arguments of its own
	says    string                        // a pattern
	cure    func(sp *agentSpace)          // nil where there is none
}

var agentFaults = map[string]agentFault{
	"no Secret": {
		install: func(*agentSpace) []string { return []string{"--set", "existingSecret=own"} },
		says:    `credentials: open /etc/fairlead/creds/agent.creds: no such file`,
		cure:    func(sp *agentSpace) { sp.replaceSecret(sp.creds) },
	},
	"another key": {
		install: func(sp *agentSpace) []string {
			return append(sp.ownSecret(sp.creds), "--set", "existingSecretKey=creds")
		},
		says: `credentials: open /etc/fairlead/creds/agent.creds: no such file`,
	},
	"garbage": {
		install: func(sp *agentSpace) []string {
			file := filepath.Join(sp.t.TempDir(), "garbage")
			if err := os.WriteFile(file, []byte("hunter2"), 0o600); err != nil {
				sp.t.Fatal(err)
			}
			return sp.ownSecret(file)
		},
		says: `not a NATS credentials file`,
		cure: func(sp *agentSpace) { sp.replaceSecret(sp.creds) },
	},
	"expired": {
		install: func(sp *agentSpace) []string {
			file, _ := sp.mint(time.Second)
			return sp.ownSecret(file)
		},
		says: `credentials of cluster \S+ expired on`,
		cure: func(sp *agentSpace) { sp.replaceSecret(sp.creds) },
	},
	"another cluster's": {
		install: func(sp *agentSpace) []string {
			return append(sp.ownSecret(sp.creds), "--set", "cluster=other")
		},
		says: `these are for cluster \S*other\S*, not for`,
	},
	"nobody listens": {
		install: func(sp *agentSpace) []string {
			address, err := freeport.AddressOn(sp.kube.NodeIP)
			if err != nil {
				sp.t.Fatal(err)
			}
			return []string{"--set", "server=tls://" + address}
		},
		says: `connection refused`,
	},
	"no such host": {
		install: func(*agentSpace) []string { return []string{"--set", "server=wss://no-such.example"} },
		says:    `"cause":"unknown-host"|\[unknown-host\]`,
	},
	"unknown CA": {
		install: func(sp *agentSpace) []string {
			return []string{"--set", "caBundle.pem="}
		},
		says: `"cause":"certificate-unknown"|\[certificate-unknown\]`,
	},
	"no ConfigMap": {
		install: func(*agentSpace) []string { return []string{"--set", "caBundle.existingConfigMap=ca"} },
		says:    `ca: .*/etc/fairlead/ca/ca.crt: no such file`,
		cure: func(sp *agentSpace) {
			sp.kubectl("create", "configmap", "ca", "--from-file=ca.crt="+sp.system.CAFile())
		},
	},
}

// ownSecret makes a Secret of a credentials file and returns the arguments that
// name it.
func (sp *agentSpace) ownSecret(file string) []string {
	sp.kubectl("create", "secret", "generic", "own", "--from-file=agent.creds="+file)
	return []string{"--set", "existingSecret=own"}
}

// replaceSecret puts another file into the Secret of ownSecret, or makes it.
func (sp *agentSpace) replaceSecret(file string) {
	sp.t.Helper()
	manifest, err := sp.kube.Run(sp.t.Context(), "", "create", "secret", "generic", "own", "--namespace", sp.name,
		"--from-file=agent.creds="+file, "--dry-run=client", "--output=yaml")
	if err != nil {
		sp.t.Fatal(err)
	}
	if _, err := sp.kube.Run(sp.t.Context(), manifest, "apply", "--filename=-"); err != nil {
		sp.t.Fatal(err)
	}
}

// TestAgentFaults installs an agent with each fault. The pods say why they do not
// work, in their log and in 'kubectl describe', and are not restarted. When the
// fault has a cure, the same pods get ready after it.
func TestAgentFaults(t *testing.T) {
	for name, fault := range agentFaults {
		t.Run(strings.ReplaceAll(name, "'", ""), func(t *testing.T) {
			sp := newAgentSpace(t)
			t.Parallel()
			sp.install(append(fault.install(sp), "--set", "replicas=1")...)
			before := sp.running(1)
			sp.says(fault.says)
			if log := sp.kubectl("logs", "deployment/"+agentRelease); strings.Contains(log, "hunter2") {
				t.Error("the log shows what the credentials file holds")
			}
			if fault.cure != nil {
				fault.cure(sp)
				err := harness.Until(t.Context(), "the agent to get ready by itself", credsDelay, nil, func(ctx context.Context) error {
					return sp.state(ctx, "connected")
				})
				if err != nil {
					t.Error(err)
				}
				sp.rollout()
			}
			sp.sameRun(before)
		})
	}
}

// TestAgentMistakeInArguments: a fault that waiting cannot cure ends the
// container, and 'kubectl describe' says why.
func TestAgentMistakeInArguments(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.install("--set", "replicas=1", "--set", "extraArgs={--max-streams=-1}")
	sp.says(`max-streams: -1 is not between`)
	pods := sp.kubectl("describe", "pods")
	if !regexp.MustCompile(`(?s)Message:.*max-streams: -1`).MatchString(pods) {
		t.Errorf("no termination message:\n%s", pods)
	}
}

// TestAgentRevoked: a revoked agent is offline within 5 s, and says why.
func TestAgentRevoked(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.install()
	sp.rollout()
	if err := sp.system.WaitReachable(t.Context(), sp.ref()); err != nil {
		t.Fatal(err)
	}
	before := sp.running(2)
	sp.revoke(sp.user)
	began := time.Now()
	sp.offline(5 * time.Second)
	t.Logf("offline after %s", time.Since(began).Round(time.Millisecond))
	sp.says(`credential revoked`)
	sp.until("the agents not to be ready", func(ctx context.Context) error {
		pods, err := sp.pods(ctx)
		if err != nil {
			return err
		}
		for _, p := range pods {
			for _, c := range p.Status.ContainerStatuses {
				if c.Ready {
					return fmt.Errorf("%s is", p.Name)
				}
			}
		}
		return nil
	})
	_, said, err := sp.tryHelm(t.Context(), sp.name, "test", agentRelease, "--timeout", within.String())
	if err == nil || !strings.Contains(said, "credential revoked") {
		t.Errorf("helm test says: %v", err)
	}
	if left := sp.kubectl("get", "pods", "--selector=app.kubernetes.io/component=test", "--output=name"); left != "" {
		t.Errorf("the failed test left %s", left)
	}
	sp.sameRun(before)

	// With new credentials it is back without a restart.
	fresh, _ := sp.mint(0)
	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--set-file", "creds="+fresh)
	err = harness.Until(t.Context(), "the agents to be back", credsDelay, nil, func(ctx context.Context) error { return sp.state(ctx, "connected") })
	if err != nil {
		t.Error(err)
	}
	sp.rollout()
	sp.sameRun(before)
}
