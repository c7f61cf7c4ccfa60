package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

const allowed = `
exec: false
secrets: false
requests:
  - {verbs: [get, list, watch, create], resources: [pods, configmaps, secrets, pods/exec], namespaces: [%s]}
  - {verbs: [get], paths: [/version, /api, "/api/*", /apis, "/apis/*", "/openapi/*"]}
`

// TestOwnersAllowList: what the owner of a cluster has not listed is refused in words
// that kubectl shows, whatever the token and the agent's role allow; a list that is
// narrowed ends a watch.
func TestOwnersAllowList(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	file := filepath.Join(t.TempDir(), "allow.yaml")
	list := fmt.Sprintf(allowed, sp.name)
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	s := sp.ownSystem(harness.SystemOptions{AgentFlags: []string{"--allow", file}})
	tunnel := sp.sideOf(s, s.Ref())
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}, NodeName: "nowhere"},
	}
	if _, err := sp.admin.CoreV1().Pods(sp.name).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	sp.must(sp.on(tunnel, "create", "configmap", "one"))
	if out := sp.must(sp.on(tunnel, "get", "configmaps,pods", "-o", "name")); !strings.Contains(out, "configmap/one") || !strings.Contains(out, "pod/p") {
		t.Errorf("kubectl get: %s", out)
	}
	for _, tt := range []struct {
		args []string
		rule string
	}{
		{[]string{"get", "secrets"}, "rule secrets: false"},
		{[]string{"exec", "p", "--", "id"}, "rule exec: false"},
		{[]string{"delete", "configmap", "one"}, "rule requests: none of 2 rules allows"},
		{[]string{"get", "pods", "--all-namespaces"}, "rule requests: none of 2 rules allows"},
		{[]string{"get", "configmaps", "--namespace", "kube-system"}, "rule requests: none of 2 rules allows"},
	} {
		r := sp.do(sp.on(tunnel, tt.args...))
		if want := "refused by the allow-list of the cluster's owner: " + tt.rule; r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("kubectl %v: exit code %d, want %q in:\n%s%s", tt.args, r.code, want, r.stdout, r.stderr)
		}
	}

	resp := openWatch(t, tunnel, sp.path("/configmaps?watch=true"))
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	if err := errors.Join(os.WriteFile(file+".new", []byte(strings.Replace(list, "configmaps, ", "", 1)), 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second): // it takes one, of a machine that is not busy
		t.Error("the watch goes on")
	}
	if r := sp.do(sp.on(tunnel, "get", "configmaps")); r.code == 0 || !strings.Contains(r.stderr, "rule requests: none of 2 rules allows") {
		t.Errorf("after the change: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
