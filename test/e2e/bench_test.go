package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestBenchmarkOfAPIServer: bench -kube measures everything that this machine can do. It is
// a short run, whose figures mean nothing.
func TestBenchmarkOfAPIServer(t *testing.T) {
	testbed.Need(t)
	t.Parallel()
	bench := filepath.Join(t.TempDir(), "bench")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bench, "./bench")
	build.Dir = shared.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	report, log, err := harness.Command{Path: bench, Args: []string{
		"-kube", "-quick", "-kubeconfig", shared.kube.Kubeconfig, "-image", shared.kube.Images["busybox"],
	}}.Run(t.Context())
	if err != nil {
		t.Fatalf("bench: %v\n%s", err, log)
	}
	rows := []string{"get of", "list of", "watch event"}
	if shared.kube.HasNode() {
		rows = append(rows, "exec of true", "exec of cat", "into a pod", "out of a pod")
	}
	for _, row := range rows {
		if !strings.Contains(report, row) {
			t.Errorf("the report lacks %q", row)
		}
	}
	if strings.Contains(report, "?") {
		t.Error("the report has figures that were not measured")
	}
	if t.Failed() {
		t.Log(report)
	}
}
