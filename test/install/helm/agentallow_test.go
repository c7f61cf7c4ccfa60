package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// allowValues are an owner's list. NAMESPACE is that of the release; RESOURCES are what
// callers may read there.
const allowValues = `
allow:
  exec: false
  requests:
    - {verbs: [get], paths: [/version, /api, "/api/*", /apis, "/apis/*"]}
    - {verbs: [get, list, watch], resources: [RESOURCES], namespaces: [NAMESPACE]}
`

// allow writes a values file with the list.
func (sp *agentSpace) allow(resources string) (file string) {
	sp.t.Helper()
	file = filepath.Join(sp.t.TempDir(), "allow-values.yaml")
	values := strings.NewReplacer("RESOURCES", resources, "NAMESPACE", sp.name).Replace(allowValues)
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		sp.t.Fatal(err)
	}
	return file
}

// TestAgentAllow: the owner's list of the values narrows what callers may do. An upgrade
// with another list reaches the running agent, which ends what the list no longer
// allows, and no pod is replaced. There is one: the files of several change one by one, and
// requests go to any of them.
func TestAgentAllow(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.install("--values", sp.allow("configmaps"), "--set", "replicas=1")
	sp.rollout()
	kubeconfig := sp.tunnel()
	before, err := sp.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sp.through(kubeconfig, "get", "configmaps")
	if err := sp.refused(t.Context(), kubeconfig, "pods"); err != nil {
		t.Error(err)
	}
	watch := sp.start("watch", kubeconfig, "get", "configmaps", "--watch")
	watch.says(regexp.MustCompile(`kube-root-ca\.crt`))

	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--values", sp.allow("pods"))
	upgraded := time.Now()
	watch.ends(credsDelay, "refused by the allow-list of the cluster's owner")
	t.Logf("the changed list was in force after %s", time.Since(upgraded))
	sp.through(kubeconfig, "get", "pods")
	if err := sp.refused(t.Context(), kubeconfig, "configmaps"); err != nil {
		t.Error(err)
	}
	sp.sameRun(before)
}

// refused is nil if the list refuses to let a resource be read, and kubectl says so.
func (sp *agentSpace) refused(ctx context.Context, kubeconfig, resource string) error {
	out, err := harness.Kubectl(ctx, sp.kube.Kubectl, kubeconfig, "", "get", resource, "--namespace", sp.name)
	if err == nil {
		return errors.New(resource + " can be read: " + out)
	}
	if !strings.Contains(err.Error(), "refused by the allow-list of the cluster's owner: rule requests") {
		return fmt.Errorf("%s: %w", resource, err)
	}
	return nil
}
