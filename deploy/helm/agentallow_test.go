package helm_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestAgentAllow: the list is what the values say, and the agents read it from a folder
// that changes with the ConfigMap, without new pods.
func TestAgentAllow(t *testing.T) {
	for _, test := range []struct {
		file, configMap, key string
		own                  bool
	}{
		{"allow-values.yaml", agentName + "-allow", "allow.yaml", true},
		{"allowmine-values.yaml", "mine", "rules.yaml", false},
	} {
		all := render(t, agentChart, "--values", filepath.Join(agentChart, "ci", test.file))
		d := get[*appsv1.Deployment](t, all, agentName)
		pod := d.Spec.Template.Spec
		if !slices.Contains(pod.Containers[0].Args, "--allow=/etc/fairlead/allow/allow.yaml") {
			t.Errorf("%s: arguments %v", test.file, pod.Containers[0].Args)
		}
		named := func(v corev1.Volume) bool { return v.Name == "allow" }
		volume := pod.Volumes[slices.IndexFunc(pod.Volumes, named)].ConfigMap
		if volume.Name != test.configMap || volume.Items[0].Key != test.key || volume.Items[0].Path != "allow.yaml" {
			t.Errorf("%s: the list comes from %v", test.file, volume)
		}
		mounted := func(m corev1.VolumeMount) bool { return m.Name == "allow" && m.MountPath == "/etc/fairlead/allow" }
		if !slices.ContainsFunc(pod.Containers[0].VolumeMounts, mounted) {
			t.Errorf("%s: mounts %v", test.file, pod.Containers[0].VolumeMounts)
		}
		if all.has("ConfigMap") != test.own {
			t.Errorf("%s: a ConfigMap of the chart: %v", test.file, all.has("ConfigMap"))
		}
	}
}

// TestAgentAllowIsWrittenAsGiven: no key is lost on the way into the ConfigMap, since a
// missing one can allow more. What allows nothing stays.
func TestAgentAllowIsWrittenAsGiven(t *testing.T) {
	for _, list := range []string{
		`{"readOnly":true}`, `{"readOnly":false}`, `{"requests":[]}`, `{"as":{"users":[],"agent":false},"secrets":false}`,
		`{"as":{"uids":["007","1e3"],"extra":{"a/b":["no"]}},"requests":[{"verbs":["get"],"resources":["pods"],"apiGroups":[""],"namespaces":["on"]}]}`,
	} {
		all := render(t, agentChart, with("--set-json", "allow="+list)...)
		all.check(t)
		var got, want any
		if err := yaml.UnmarshalStrict([]byte(get[*corev1.ConfigMap](t, all, agentName+"-allow").Data["allow.yaml"]), &got); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(list), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the ConfigMap has %v, want %v", got, want)
		}
	}
	one, other := render(t, agentChart, with("--set", "allow.exec=false")...), render(t, agentChart, with("--set", "allow.readOnly=true")...)
	if !reflect.DeepEqual(get[*appsv1.Deployment](t, one, agentName).Spec.Template, get[*appsv1.Deployment](t, other, agentName).Spec.Template) {
		t.Error("another list replaces the pods, which read it again by themselves")
	}
}

// TestAgentActsAsAnyone: only the verb impersonate, and only with a list.
func TestAgentActsAsAnyone(t *testing.T) {
	all := render(t, agentChart, "--values", filepath.Join(agentChart, "ci", "allow-values.yaml"))
	for _, r := range get[*rbacv1.ClusterRole](t, all, releaseNamespace+":"+agentName+":impersonate").Rules {
		if !slices.Equal(r.Verbs, []string{"impersonate"}) || slices.Contains(r.APIGroups, "*") {
			t.Errorf("the right to act as anyone is also one to %v", r)
		}
	}
}
