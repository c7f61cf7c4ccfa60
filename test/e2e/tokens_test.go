package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// replaceTokens writes the bridge's file of tokens, in one step.
func (sp *space) replaceTokens(content []byte) {
	sp.t.Helper()
	path := filepath.Join(sp.system.Config, "tokens.yaml")
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		sp.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		sp.t.Fatal(err)
	}
}

// TestRevokedTokenEndsRequests: when a token is removed from the file, the
// requests that kubectl has running with it end; those of other tokens continue.
func TestRevokedTokenEndsRequests(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("talker", "while true; do date; sleep 0.2; done", "")
	before, err := os.ReadFile(filepath.Join(sp.system.Config, "tokens.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var token, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), sp.race.Bridge, "token", "new",
		"--tokens", filepath.Join(sp.system.Config, "tokens.yaml"), "--name", "guest", "--clusters", sp.system.Ref())
	cmd.Stdout, cmd.Stderr = &token, &stderr
	t.Cleanup(func() { sp.replaceTokens(before) })
	if err := cmd.Run(); err != nil {
		t.Fatalf("make a token: %v: %s", err, stderr.String())
	}

	ca, err := os.ReadFile(sp.system.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	guest := sp.tunnel
	guest.name = "guest"
	guest.kubeconfig, err = harness.WriteKubeconfig(filepath.Join(t.TempDir(), "config"), sp.tunnel.server, ca, strings.TrimSpace(token.String()))
	if err != nil {
		t.Fatal(err)
	}
	sp.until("the token to be accepted", func(context.Context) error {
		if r := sp.do(sp.on(guest, "get", "pods")); r.code != 0 {
			return errors.New(r.stderr)
		}
		return nil
	})
	runs := []*running{
		sp.start(sp.on(guest, "get", "configmaps", "-w", "-o", "name")),
		sp.start(sp.on(guest, "logs", "-f", "talker")),
		sp.start(sp.on(guest, "exec", "-i", "talker", "--", "sh", "-c", "echo ready; cat")),
		sp.start(sp.on(guest, "exec", "-i", "talker", "--", "sh", "-c", "echo ready; cat").with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false")),
	}
	stays := sp.start(sp.on(sp.tunnel, "get", "configmaps", "-w", "-o", "name"))
	for i, text := range []string{"kube-root-ca.crt", ":", "ready", "ready"} {
		runs[i].expect(text)
	}
	stays.expect("kube-root-ca.crt")

	sp.replaceTokens(before)
	began := time.Now()
	for _, r := range runs {
		r.wait(10 * time.Second) // kubectl takes its time to say what happened
		t.Logf("kubectl %s ended after %v: %s", strings.Join(r.args, " "), time.Since(began), clip(r.stderr.String()))
	}
	_, err = sp.admin.CoreV1().ConfigMaps(sp.name).Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "later"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stays.expect("later")
	if r := sp.do(sp.on(guest, "get", "pods")); r.code == 0 || !strings.Contains(r.stderr, "You must be logged in to the server") {
		t.Errorf("a new call: exit code %d, stderr %q", r.code, r.stderr)
	}
}
