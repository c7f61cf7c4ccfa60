package helm_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// checkRestricted makes the checks of an API server for pods in a namespace with the
// label pod-security.kubernetes.io/enforce=restricted.
func checkRestricted(t *testing.T, o *object, pod *corev1.PodTemplateSpec) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	if !result.Allowed {
		t.Errorf("%s: Pod Security \"restricted\" refuses its pods: %s", o, result.ForbiddenDetail())
	}
}
