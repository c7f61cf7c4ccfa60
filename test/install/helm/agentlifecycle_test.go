package helm

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// previousAgentChart is the chart of the previous version, which users upgrade
// from.
var previousAgentChart = filepath.Join("testdata", "fairlead-agent-0.1.0.tgz")

// TestAgentLifecycle takes a release through its life: it is installed from the
// previous chart, used, tested, upgraded, rolled back, upgraded again and removed.
// The test looks at the whole Kubernetes, so it does not run in parallel.
func TestAgentLifecycle(t *testing.T) {
	sp := newAgentSpace(t)
	before := sp.inventory(t.Context())

	sp.installChart(previousAgentChart, "--wait", "--timeout", within.String())
	kubeconfig := sp.tunnel()
	sp.seesItself(kubeconfig)
	sp.tested()

	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--wait", "--timeout", within.String())
	sp.seesItself(kubeconfig)
	sp.tested()

	sp.helm("rollback", agentRelease, "1", "--wait", "--timeout", within.String())
	sp.seesItself(kubeconfig)

	// Optional objects of an upgrade and another kind of rights are removed too.
	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--wait", "--timeout", within.String(),
		"--set", "rbac.preset=edit", "--set", "rbac.namespaces={"+sp.name+"}", "--set", "impersonation.users={ci}",
		"--set", "networkPolicy.enabled=true", "--set", "proxy.noProxy=x", "--set", "imageCredentials.username=u", "--set", "imageCredentials.token=t")
	sp.seesItself(kubeconfig)
	sp.tested()

	sp.helm("uninstall", agentRelease, "--wait", "--timeout", within.String())
	sp.offline(within)
	sp.until("everything to be removed", func(ctx context.Context) error {
		var left []string
		for _, o := range slices.Sorted(maps.Keys(sp.inventory(ctx))) {
			if !before[o] {
				left = append(left, o)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}

// TestAgentInstall runs the commands of the chart's README.
func TestAgentInstall(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	notes := sp.helm("install", agentRelease, sp.chart(), "--set", "server="+sp.system.WebSocketURL(), "--set-file", "creds="+sp.creds,
		"--set-file", "caBundle.pem="+sp.system.CAFile(), "--set", "image.tag=dev")
	for _, want := range []string{"rollout status deployment/fairlead-agent", "helm -n " + sp.name + " test fairlead-agent", `the role "view" in the whole cluster`} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
	sp.rollout()
	sp.seesItself(sp.tunnel())
	sp.tested()
	// It works by NATS over TLS as well.
	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--set", "server="+sp.system.BrokerURLs())
	sp.rollout()
	sp.seesItself(sp.tunnel())
}

// seesItself lists the agents' pods with kubectl, through those agents.
func (sp *agentSpace) seesItself(kubeconfig string) {
	sp.t.Helper()
	pods := sp.through(kubeconfig, "get", "pods", "--selector=app.kubernetes.io/component=agent")
	if n := strings.Count(pods, "1/1"); n < 2 {
		sp.t.Errorf("kubectl shows %d agents that are ready, want 2:\n%s", n, pods)
	}
}

// tested runs 'helm test', which prints the agent's state and cleans up.
func (sp *agentSpace) tested() {
	sp.t.Helper()
	out, said, err := sp.tryHelm(sp.t.Context(), sp.name, "test", agentRelease, "--timeout", within.String())
	if err != nil {
		sp.t.Fatal(err)
	}
	for _, want := range []string{"Phase:          Succeeded", "[+]broker connected to", "[+]api-server answers"} {
		if !strings.Contains(out+said, want) {
			sp.t.Errorf("helm test does not print %q:\n%s%s", want, out, said)
		}
	}
	if left := sp.kubectl("get", "pods", "--selector=app.kubernetes.io/component=test", "-o", "name"); left != "" {
		sp.t.Errorf("helm test left %s", left)
	}
}

// inventory is every object in the cluster, except for kinds whose objects come
// and go by themselves.
func (sp *space) inventory(ctx context.Context) map[string]bool {
	sp.t.Helper()
	types, err := sp.kube.Run(ctx, "", "api-resources", "--verbs=list", "--output=name")
	if err != nil {
		sp.t.Fatal(err)
	}
	var listed []string
	for _, name := range strings.Fields(types) {
		switch name {
		case "events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses", "ipaddresses.networking.k8s.io":
		default:
			listed = append(listed, name)
		}
	}
	out, err := sp.kube.Run(ctx, "", "get", strings.Join(listed, ","), "--all-namespaces", "--ignore-not-found",
		`--output=jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\n"}{end}`)
	if err != nil {
		sp.t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(out) {
		all[strings.TrimSpace(line)] = true
	}
	if len(all) < 50 {
		sp.t.Fatalf("only %d objects in the whole cluster: %v", len(all), all)
	}
	return all
}
