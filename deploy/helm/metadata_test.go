package helm_test

import (
	"testing"
)

// TestMetadataIsMerged: objects have the labels and annotations of the values and of
// the chart, and no key twice, which API servers refuse. parse refuses keys that are
// there twice.
func TestMetadataIsMerged(t *testing.T) {
	const key = "app.kubernetes.io/"
	file := valuesFile(t, `
commonLabels: {app.kubernetes.io/name: other, app.kubernetes.io/instance: other, app.kubernetes.io/component: other, app.kubernetes.io/managed-by: other, team: a}
`)
	for chart, args := range map[string][]string{agentChart: with(), platformChart: contentArgs(t, platformContent)} {
		all := render(t, chart, append(args, "--values", file)...)
		all.check(t)
		for _, o := range all {
			if o.Labels[key+"name"] != chart || o.Labels[key+"instance"] != releaseName || o.Labels[key+"component"] == "other" ||
				o.Labels[key+"managed-by"] != "Helm" || o.Labels["team"] != "a" {
				t.Errorf("the labels of %s are %v", o, o.Labels)
			}
		}
	}
	annotations := valuesFile(t, `
podAnnotations: &a {prometheus.io/scrape: "false", kubectl.kubernetes.io/default-container: mesh, note: b}
`)
	platform := valuesFile(t, `
broker: {podAnnotations: &a {prometheus.io/scrape: "false", kubectl.kubernetes.io/default-container: mesh, note: b}}
bridge: {podAnnotations: *a}
`)
	pods := 0
	for _, all := range []objects{
		render(t, agentChart, with("--values", annotations, "--set", "proxy.httpsProxy=http://p")...),
		render(t, platformChart, append(contentArgs(t, platformContent), "--values", platform)...),
	} {
		for _, o := range all {
			if o.Kind != "Deployment" && o.Kind != "StatefulSet" {
				continue
			}
			pods++
			got := o.pod().Annotations
			if got["prometheus.io/scrape"] != "false" || got["kubectl.kubernetes.io/default-container"] != "mesh" || got["note"] != "b" ||
				got["prometheus.io/path"] != "/metrics" {
				t.Errorf("the annotations of the pods of %s are %v", o, got)
			}
		}
	}
	if pods != 3 {
		t.Errorf("%d workloads, want 3", pods)
	}
}
