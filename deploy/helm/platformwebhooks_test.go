package helm_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestPlatformWebhooks: bridges read the file of webhooks in a folder that changes with the
// Secret, which is the user's; there is no way without the store.
func TestPlatformWebhooks(t *testing.T) {
	args := append(contentArgs(t, platformStoreContent()), "--set", "broker.store.enabled=true", "--set", "webhooks.existingSecret=hooks")
	all := render(t, platformChart, args...)
	all.check(t)
	platformInvariants(t, all)
	_, bridges := platformWorkloads(t, all)
	pod := bridges.Spec.Template.Spec
	if got := argument(t, pod.Containers[0], "webhooks"); got != "/etc/fairlead-webhooks/webhooks.yaml" {
		t.Errorf("--webhooks=%s", got)
	}
	if !slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.Name == "webhooks" && m.MountPath == "/etc/fairlead-webhooks" && m.SubPath == "" && m.ReadOnly
	}) {
		t.Errorf("mounts %v", pod.Containers[0].VolumeMounts)
	}
	if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
		return v.Name == "webhooks" && v.Secret != nil && v.Secret.SecretName == "hooks" && *v.Secret.DefaultMode == 0o440
	}) {
		t.Errorf("volumes %v", pod.Volumes)
	}
}
