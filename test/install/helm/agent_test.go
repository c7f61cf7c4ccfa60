package helm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// agentRelease is the README's name for the release, and so for all its objects.
const agentRelease = "fairlead-agent"

// credsDelay bounds how long the kubelet takes to bring a Secret's new content
// into a pod: a minute, plus what a busy machine adds.
const credsDelay = 3 * time.Minute

// agentSpace is the namespace of an agent, with its own cluster in the shared
// Fairlead.
type agentSpace struct {
	*space
	cluster string
	creds   string // file
	user    string // public key of the credentials
}

func newAgentSpace(t *testing.T) *agentSpace {
	t.Helper()
	sp := &agentSpace{space: newSpace(t)}
	sp.cluster = sp.name
	sp.creds, sp.user = sp.mint(0)
	return sp
}

// mint makes credentials for the test's cluster. Earlier ones stay valid.
func (sp *agentSpace) mint(expires time.Duration) (file, user string) {
	sp.t.Helper()
	o := sp.system.Options
	made := filepath.Join(sp.system.Config, "creds", sp.cluster+"."+o.Tenant+".creds")
	out, err := sp.system.BrokerCommand(sp.t.Context(), "cluster", "add", "--dir", sp.system.Config, "--tenant", o.Tenant,
		"--cluster", sp.cluster, "--expires", expires.String())
	if err != nil {
		sp.t.Fatal(err)
	}
	file = filepath.Join(sp.t.TempDir(), "prod.creds")
	if err := os.Rename(made, file); err != nil {
		sp.t.Fatal(err)
	}
	return file, regexp.MustCompile(`U[A-Z2-7]{55}`).FindString(out)
}

// revoke revokes credentials with immediate effect.
func (sp *agentSpace) revoke(user string) {
	sp.t.Helper()
	_, err := sp.system.BrokerCommand(sp.t.Context(), "cluster", "revoke", "--dir", sp.system.Config,
		"--tenant", sp.system.Options.Tenant, "--user", user, "--server", sp.system.BrokerURLs())
	if err != nil {
		sp.t.Fatal(err)
	}
}

func (sp *agentSpace) chart() string {
	return filepath.Join(sp.root, "deploy", "helm", "fairlead-agent")
}

// arguments are those of the README, with the image that was built here and a
// drain that tests can wait for.
// Credentials and CA are the test's, unless more gives others.
func (sp *agentSpace) arguments(more ...string) []string {
	given := func(value string) bool {
		return slices.ContainsFunc(more, func(a string) bool { return strings.HasPrefix(a, value) })
	}
	if !given("creds=") && !given("existingSecret=") {
		more = append(more, "--set-file", "creds="+sp.creds)
	}
	if !given("caBundle.") {
		more = append(more, "--set-file", "caBundle.pem="+sp.system.CAFile())
	}
	if !given("server=") {
		more = append(more, "--set", "server="+sp.system.WebSocketURL())
	}
	return append(more, "--set", "image.tag=dev", "--set", "image.pullPolicy=Never", "--set", "drainTimeoutSeconds=5", "--set", "resources.requests.cpu=10m")
}

// install installs the chart without waiting.
func (sp *agentSpace) install(more ...string) { sp.t.Helper(); sp.installChart(sp.chart(), more...) }

func (sp *agentSpace) installChart(chart string, more ...string) {
	sp.t.Helper()
	sp.helm(append([]string{"install", agentRelease, chart}, sp.arguments(more...)...)...)
}

// rollout waits until all pods are of the last revision, and ready.
func (sp *agentSpace) rollout() {
	sp.t.Helper()
	sp.kubectl("rollout", "status", "deployment/"+agentRelease, "--timeout="+within.String())
}

// ref is the cluster's name for callers of the bridge.
func (sp *agentSpace) ref() string { return sp.cluster + "." + sp.system.Options.Tenant }

// tunnel returns a kubeconfig for the cluster, once it can be reached.
func (sp *agentSpace) tunnel() string {
	sp.t.Helper()
	if err := sp.system.WaitReachable(sp.t.Context(), sp.ref()); err != nil {
		sp.t.Fatal(err)
	}
	kubeconfig, err := sp.system.Kubeconfig(sp.t.Context(), sp.ref(), sp.t.TempDir())
	if err != nil {
		sp.t.Fatal(err)
	}
	return kubeconfig
}

// through runs kubectl through the tunnel, in the test's namespace.
func (sp *agentSpace) through(kubeconfig string, args ...string) string {
	sp.t.Helper()
	out, err := harness.Kubectl(sp.t.Context(), sp.kube.Kubectl, kubeconfig, "", append(args, "--namespace", sp.name)...)
	if err != nil {
		sp.t.Fatal(err)
	}
	return out
}

// state is nil when the bridge reports the wanted state of the cluster.
func (sp *agentSpace) state(ctx context.Context, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sp.system.URL("/v1/clusters/"+sp.ref()), nil)
	if err != nil {
		return err
	}
	resp, err := sp.system.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !strings.Contains(string(body), `"state":"`+want+`"`) {
		return fmt.Errorf("the bridge says %s", body)
	}
	return nil
}

// pods are the agents that are not terminating.
func (sp *agentSpace) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := sp.admin.CoreV1().Pods(sp.name).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=agent"})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

// sameRun checks that no agent has been restarted or replaced since before was
// listed.
func (sp *agentSpace) sameRun(before []corev1.Pod) {
	sp.t.Helper()
	now, err := sp.pods(sp.t.Context())
	if err != nil {
		sp.t.Fatal(err)
	}
	for _, p := range now {
		if !slices.ContainsFunc(before, func(b corev1.Pod) bool { return b.UID == p.UID }) {
			sp.t.Errorf("%s is new", p.Name)
		}
		for _, c := range p.Status.ContainerStatuses {
			if c.RestartCount > 0 {
				sp.t.Errorf("%s was restarted %d times", p.Name, c.RestartCount)
			}
		}
	}
	if len(now) != len(before) {
		sp.t.Errorf("%d agents, there were %d", len(now), len(before))
	}
}

// says waits until the agents' log and 'kubectl describe' of their pods match.
func (sp *agentSpace) says(pattern string) {
	sp.t.Helper()
	want := regexp.MustCompile(pattern)
	for what, args := range map[string][]string{
		"the log":            {"logs", "deployment/" + agentRelease, "--tail=50"},
		"'kubectl describe'": {"describe", "pods", "--selector=app.kubernetes.io/component=agent"},
	} {
		sp.until(what+" to say why", func(ctx context.Context) error {
			out, err := sp.kube.Run(ctx, "", append(args, "--namespace", sp.name)...)
			if err != nil {
				return err
			}
			if !want.MatchString(out) {
				return fmt.Errorf("no %q in:\n%s", pattern, out)
			}
			return nil
		})
	}
}

// running waits until this many containers of agents run, ready or not.
func (sp *agentSpace) running(want int) (pods []corev1.Pod) {
	sp.t.Helper()
	sp.until("the agents to run", func(ctx context.Context) (err error) {
		if pods, err = sp.pods(ctx); err != nil {
			return err
		}
		n := 0
		for _, p := range pods {
			for _, c := range p.Status.ContainerStatuses {
				if c.State.Running != nil {
					n++
				}
			}
		}
		if n != want || len(pods) != want {
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
	return pods
}

// offline waits until the bridge knows that no agent is connected.
func (sp *agentSpace) offline(within time.Duration) {
	sp.t.Helper()
	err := harness.Until(sp.t.Context(), "the cluster to be offline", within, nil, func(ctx context.Context) error {
		return sp.state(ctx, "offline")
	})
	if err != nil {
		sp.t.Error(err)
	}
}
