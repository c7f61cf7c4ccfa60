package helm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// helmBinary builds the pinned helm unless it is there, and returns its path.
var helmBinary = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("make", "-s", "-C", root, ".cache/bin/helm").CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return filepath.Join(root, ".cache", "bin", "helm"), err
})

// helm runs helm with its own home folder, so that the user's configuration has no
// effect.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, err := helmBinary()
	if err != nil {
		t.Fatalf("make .cache/bin/helm: %v", err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none"),
		"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home,
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// The release that templates are rendered for.
const (
	releaseName      = "fl"
	releaseNamespace = "apart"
)

// render is 'helm template', including the chart's tests, for the Kubernetes whose
// schemas are used.
func render(t *testing.T, chart string, args ...string) objects {
	t.Helper()
	out, stderr, err := template(t, chart, args...)
	if err != nil {
		t.Fatalf("helm template %s %s: %v\n%s", chart, strings.Join(args, " "), err, stderr)
	}
	return parse(t, out)
}

func template(t *testing.T, chart string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return helm(t, append([]string{"template", releaseName, chart, "--namespace", releaseNamespace,
		"--kube-version", kubeVersion(t)}, args...)...)
}

// refusal is helm's message about values that the chart does not accept.
func refusal(t *testing.T, chart string, args ...string) string {
	t.Helper()
	_, stderr, err := template(t, chart, args...)
	if err == nil {
		t.Errorf("helm template %s %s succeeded", chart, strings.Join(args, " "))
	}
	return stderr
}

// lint is 'helm lint --strict'.
func lint(t *testing.T, chart string, args ...string) {
	t.Helper()
	out, stderr, err := helm(t, append([]string{"lint", "--strict", chart, "--kube-version", kubeVersion(t)}, args...)...)
	if err != nil {
		t.Errorf("helm lint %s %s: %v\n%s%s", chart, strings.Join(args, " "), err, out, stderr)
	}
}

// variants are the values files of a chart's ci folder. All general checks are made
// with each of them.
func variants(t *testing.T, chart string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no variants to check: %v", chart, err)
	}
	return files
}

// valuesFile writes values into a file for --values.
func valuesFile(t *testing.T, values string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
