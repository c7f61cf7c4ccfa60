package helm

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// resources are the modules that definitions of custom resources come from, with
// their sums: deploy/helm checks against the same schemas, but only an API
// server judges their rules.
var resources = []struct{ module, sum, files string }{
	{
		"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
	},
	{
		"sigs.k8s.io/gateway-api@v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
		"config/crd/experimental/gateway.networking.k8s.io_*.yaml",
	},
	{
		"github.com/cert-manager/cert-manager@v1.19.1", "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=",
		"deploy/crds/cert-manager.io_certificates.yaml",
	},
}

// TestPlatformObjects sends all objects of the chart's variants and of the examples
// to the API server as a dry run. It changes the whole Kubernetes, so it does not
// run in parallel.
func TestPlatformObjects(t *testing.T) {
	sp := newSpace(t)
	p := &platformSpace{space: sp}
	for _, r := range resources {
		for _, file := range definitions(t, r.module, r.sum, r.files) {
			sp.kubectl("create", "--filename="+file)
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), within)
				defer cancel()
				if _, err := sp.kube.Run(ctx, "", "delete", "--ignore-not-found", "--filename="+file); err != nil {
					t.Error(err)
				}
			})
			sp.until(filepath.Base(file)+" to be established", func(ctx context.Context) error {
				// kubectl fails on one that has no conditions yet.
				_, err := sp.kube.Run(ctx, "", "wait", "--for=condition=Established", "--filename="+file, "--timeout=10s")
				return err
			})
		}
	}
	variants, err := filepath.Glob(filepath.Join(p.chart(), "ci", "*-values.yaml"))
	if err != nil || len(variants) == 0 {
		t.Fatalf("no variants: %v", err)
	}
	for _, file := range variants {
		// Hooks are included, since 'helm template' renders them too.
		objects := sp.helm("template", platformRelease, p.chart(), "--values", file)
		sp.judged(filepath.Base(file), objects)
	}
	examples, err := filepath.Glob(filepath.Join(sp.root, "deploy", "examples", "gateway-api", "*.yaml"))
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	sp.makeNamespace("fairlead")
	for _, file := range examples {
		out, err := sp.kube.Run(t.Context(), "", "create", "--dry-run=server", "--output=name", "--filename="+file)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		t.Logf("%s: %d objects", filepath.Base(file), strings.Count(out, "\n"))
	}
}

// judged sends objects to the API server as a dry run.
func (sp *space) judged(what, objects string) {
	sp.t.Helper()
	out, err := sp.kube.Run(sp.t.Context(), objects, "create", "--namespace", sp.name, "--dry-run=server", "--output=name", "--filename=-")
	if err != nil {
		sp.t.Errorf("%s: %v", what, err)
	}
	sp.t.Logf("%s: %d objects", what, strings.Count(out, "\n"))
}

// definitions returns files of a module, which is downloaded if needed.
func definitions(t *testing.T, module, sum, files string) []string {
	t.Helper()
	m, err := harness.DownloadModule(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	if m.Sum != sum {
		t.Fatalf("the sum of %s is %s, not %s", module, m.Sum, sum)
	}
	found, err := filepath.Glob(filepath.Join(m.Dir, filepath.FromSlash(files)))
	if err != nil || len(found) == 0 {
		t.Fatal(fmt.Errorf("no %s in %s: %w", files, module, err))
	}
	return found
}
