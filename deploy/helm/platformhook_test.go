package helm_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestPlatformHook: 'helm test' asks each broker whether it is connected to the
// others. The brokers know how many there should be.
func TestPlatformHook(t *testing.T) {
	for replicas, brokers := range map[string]int{"1": 1, "3": 3} {
		all := render(t, platformChart, "--set", "broker.replicas="+replicas)
		args := get[*appsv1.StatefulSet](t, all, platformName+"-broker").Spec.Template.Spec.Containers[0].Args
		if want := "--cluster-nodes=" + replicas; !slices.Contains(args, want) {
			t.Errorf("%s brokers: no %s in %v", replicas, want, args)
		}
		asked := map[string]int{}
		for _, c := range get[*corev1.Pod](t, all, platformName+"-test").Spec.Containers {
			component, _, _ := strings.Cut(c.Name, "-")
			asked[component+" "+c.Args[1]]++
			if !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "--wait=") }) {
				t.Errorf("%s does not wait: %v", c.Name, c.Args)
			}
		}
		if len(asked) != 2 || asked["broker cluster"] != brokers || asked["bridge ready"] != 1 {
			t.Errorf("%s brokers: helm test asks %v", replicas, asked)
		}
	}
}
