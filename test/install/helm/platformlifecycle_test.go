package helm

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// previousPlatformChart is the chart of the previous version, which users upgrade
// from.
var previousPlatformChart = filepath.Join("testdata", "fairlead-0.1.0.tgz")

// TestPlatformLifecycle takes a release through its life: it is installed from
// the previous chart before its Secrets exist, used, tested, upgraded and rolled
// back under load, and removed. The test looks at the whole Kubernetes, so it does
// not run in parallel.
func TestPlatformLifecycle(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	before := p.inventory(t.Context())

	notes := p.helm(append([]string{"install", platformRelease, previousPlatformChart}, built()...)...)
	for _, missing := range []string{"The Secret fairlead is missing", "The Secret fairlead-tls is missing"} {
		if !strings.Contains(notes, missing) {
			t.Errorf("the notes do not say: %s\n%s", missing, notes)
		}
	}
	p.until("the pods to say what they wait for", func(ctx context.Context) error {
		out, err := p.kube.Run(ctx, "", "describe", "pods", "--namespace", p.space.name)
		if err == nil && !regexp.MustCompile(`secret "fairlead(-tls)?" not found`).MatchString(out) {
			err = fmt.Errorf("the Secret is not mentioned in:\n%s", out)
		}
		return err
	})
	p.applySecrets()
	p.rollout()
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"))
	kubeconfig := p.works("prod.acme")
	p.tested(platformRelease)

	load := p.beginLoad(kubeconfig)
	brokers, bridges := p.pods("broker"), p.pods("bridge")
	p.helm("upgrade", platformRelease, p.chart(), "--reset-then-reuse-values",
		"--set", "broker.podAnnotations.now=other,bridge.podAnnotations.now=other")
	p.rollout()
	for name, pod := range p.pods("broker") {
		if pod.UID == brokers[name].UID {
			t.Errorf("%s was not replaced", name)
		}
	}
	for name := range p.pods("bridge") {
		if _, old := bridges[name]; old {
			t.Errorf("%s was not replaced", name)
		}
	}
	load.goesOn()
	p.tested(platformRelease)

	p.helm("rollback", platformRelease, "1")
	p.rollout()
	load.goesOn()
	load.end()
	p.works("prod.acme")

	p.helm("uninstall", "fairlead-agent", "--wait", "--timeout", within.String())
	p.helm("uninstall", platformRelease, "--wait", "--timeout", within.String())
	p.kubectl("delete", "secret", "fairlead", "fairlead-tls")
	err := p.admin.CoreV1().ConfigMaps(p.space.name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "load"})
	if err != nil {
		t.Fatal(err)
	}
	p.until("everything to be removed, volumes too", func(ctx context.Context) error {
		var left []string
		for _, o := range slices.Sorted(maps.Keys(p.inventory(ctx))) {
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

// tested runs 'helm test', which asks every broker and cleans up.
func (p *platformSpace) tested(release string) {
	p.t.Helper()
	out, said, err := p.tryHelm(p.t.Context(), p.space.name, "test", release, "--timeout", within.String())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, want := range []string{"Phase:          Succeeded", "[+]broker takes connections", "[+]http serving on"} {
		if !strings.Contains(out+said, want) {
			p.t.Errorf("helm test does not print %q:\n%s%s", want, out, said)
		}
	}
	if left := p.kubectl("get", "pods", "--selector=app.kubernetes.io/component=test", "-o", "name"); left != "" {
		p.t.Errorf("helm test left %s", left)
	}
}
