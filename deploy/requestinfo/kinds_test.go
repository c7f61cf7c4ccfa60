package requestinfo

import "testing"

func TestPlural(t *testing.T) {
	for name, want := range map[string]string{
		"pod": "pods", "Pod": "pods", "Pods": "pods", "ingress": "ingresses", "networkpolicy": "networkpolicies", "Deployment": "deployments",
		"pods": "", "widget": "", "": "", "*": "",
	} {
		if got := Plural(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestForeign(t *testing.T) {
	for group, want := range map[string]bool{
		"": false, "apps": false, "app": false, "v1": false, "networking.k8s.io": false,
		"*": true, "metrics.k8s.io": true, "*.example.com": true,
	} {
		if got := Foreign(group); got != want {
			t.Errorf("%q: %v, want %v", group, got, want)
		}
	}
}
