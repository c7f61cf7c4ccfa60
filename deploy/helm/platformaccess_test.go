package helm_test

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const platformAccess = `
access:
  file:
    approvals: {shared: true}
    audit: {file: {path: /var/lib/fairlead/audit.log, maxSizeMiB: 2000000}, required: false}
    recording: {directory: /var/lib/fairlead/sessions}
    grants:
      - {name: dev, clusters: [prod.acme], when: ['caller.name == "dev"'], as: {user: '"dev:" + caller.name'}}
  files: {ca.crt: "pem\n"}
`

// TestPlatformAccess: bridges read the access file in a folder that changes with the
// ConfigMap, the chart's or one of the user's, and no key is lost on the way into it.
func TestPlatformAccess(t *testing.T) {
	mounted := func(args ...string) (objects, string) {
		all := render(t, platformChart, append(contentArgs(t, platformContent), args...)...)
		all.check(t)
		platformInvariants(t, all)
		_, bridges := platformWorkloads(t, all)
		pod := bridges.Spec.Template.Spec
		if got := argument(t, pod.Containers[0], "access"); got != "/etc/fairlead-access/access.yaml" {
			t.Errorf("--access=%s", got)
		}
		m := slices.IndexFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "access" })
		v := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "access" })
		if m < 0 || v < 0 {
			t.Fatalf("volumes %v, mounts %v", pod.Volumes, pod.Containers[0].VolumeMounts)
		}
		if mount := pod.Containers[0].VolumeMounts[m]; mount.MountPath != "/etc/fairlead-access" || mount.SubPath != "" {
			t.Errorf("mount %+v: what is mounted by itself never changes", mount)
		}
		return all, pod.Volumes[v].ConfigMap.Name
	}
	all, name := mounted("--values", valuesFile(t, platformAccess))
	data := get[*corev1.ConfigMap](t, all, name).Data
	var got any
	var want struct{ Access struct{ File any } }
	if err := yaml.UnmarshalStrict([]byte(data["access.yaml"]), &got); err != nil {
		t.Fatalf("%v:\n%s", err, data["access.yaml"])
	}
	if err := yaml.Unmarshal([]byte(platformAccess), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want.Access.File) || data["ca.crt"] != "pem\n" {
		t.Errorf("the ConfigMap has %q", data)
	}
	if all, name = mounted("--set", "access.existingConfigMap=mine"); name != "mine" || all.has("ConfigMap") {
		t.Errorf("the access file is in %s, with a ConfigMap of the chart: %v", name, all.has("ConfigMap"))
	}
}

// TestPlatformAccessRestarts: bridges are replaced for the sections of the access file
// that they read once, and for no other.
func TestPlatformAccessRestarts(t *testing.T) {
	changed := func(args ...string) *corev1.PodTemplateSpec {
		args = append([]string{"--values", valuesFile(t, platformAccess)}, args...)
		_, bridges := platformWorkloads(t, render(t, platformChart, append(contentArgs(t, platformContent), args...)...))
		return &bridges.Spec.Template
	}
	before := changed()
	for change, replaced := range map[string]bool{
		"access.file.audit.required=true": true, "access.file.approvals.shared=false": true, "access.file.audit.stdout=true": true,
		"access.file.recording.input=true": false, "access.file.grants[0].name=other": false, `access.files.ca\.crt=x`: false,
	} {
		if got := !reflect.DeepEqual(changed("--set", change), before); got != replaced {
			t.Errorf("%s: bridges are replaced: %v", change, got)
		}
	}
}
