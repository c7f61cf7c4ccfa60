package helm_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestPlatformData: the files of a bridge that are not given to it are on a volume that it
// can write to, under a root filesystem that it cannot.
func TestPlatformData(t *testing.T) {
	mounted := func(args ...string) (*appsv1.Deployment, *corev1.Volume) {
		all := render(t, platformChart, append(contentArgs(t, platformContent), args...)...)
		all.check(t)
		_, bridges := platformWorkloads(t, all)
		if bridges.Spec.Strategy.RollingUpdate != nil {
			platformInvariants(t, all)
		}
		pod := bridges.Spec.Template.Spec
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "data" })
		m := slices.IndexFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "data" })
		if (i < 0) != (m < 0) {
			t.Fatalf("volumes %v, mounts %v", pod.Volumes, pod.Containers[0].VolumeMounts)
		}
		if i < 0 {
			return bridges, nil
		}
		if next := pod.Containers[0].VolumeMounts[m+1]; next.MountPath != "/var/lib/fairlead/sessions" || next.SubPath != "sessions" {
			t.Errorf("no folder for recordings: %+v", next)
		}
		mount := pod.Containers[0].VolumeMounts[m]
		if mount.MountPath != "/var/lib/fairlead" || mount.ReadOnly {
			t.Errorf("mount %+v", mount)
		}
		if fs := pod.SecurityContext.FSGroup; fs == nil || *fs != *pod.SecurityContext.RunAsUser {
			t.Errorf("the bridge cannot write to a volume of group %v", fs)
		}
		if !*pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
			t.Error("the root filesystem is not read-only")
		}
		return bridges, &pod.Volumes[i]
	}
	if _, v := mounted(); v != nil {
		t.Errorf("a volume that nobody asked for: %v", v)
	}
	bridges, v := mounted("--set", "bridge.data.enabled=true,bridge.data.sizeLimit=3Gi")
	if v == nil || v.EmptyDir == nil || v.EmptyDir.SizeLimit.String() != "3Gi" || bridges.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		t.Errorf("%v, strategy %s", v, bridges.Spec.Strategy.Type)
	}
	bridges, v = mounted("--set", "bridge.data.enabled=true,bridge.data.existingClaim=bridge,bridge.replicas=1")
	if v == nil || v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != "bridge" || bridges.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("%v, strategy %s: two bridges would want the same files", v, bridges.Spec.Strategy.Type)
	}
}
