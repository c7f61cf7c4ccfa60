package helm_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestPlatformDoctor: the Job looks with all that a bridge has, as far as it only reads,
// and is no bridge.
func TestPlatformDoctor(t *testing.T) {
	if render(t, platformChart).has("Job") {
		t.Error("a Job that nobody has asked for")
	}
	all := render(t, platformChart, "--values", filepath.Join(platformChart, "ci", "full-values.yaml"))
	_, bridges := platformWorkloads(t, all)
	job := get[*batchv1.Job](t, all, bridges.Name+"-doctor-1")
	bridge, doctor := bridges.Spec.Template.Spec, job.Spec.Template.Spec
	if doctor.RestartPolicy != corev1.RestartPolicyNever || *job.Spec.BackoffLimit != 0 || *job.Spec.TTLSecondsAfterFinished != 3600 {
		t.Errorf("it looks again and again, or stays: %+v", job.Spec)
	}
	want := append(append([]string{"doctor", "--output=json"}, bridge.Containers[0].Args[1:]...), "--ops-listen=")
	if got := doctor.Containers[0].Args; !slices.Equal(got, want) {
		t.Errorf("arguments %v, want %v", got, want)
	}
	if *doctor.AutomountServiceAccountToken {
		t.Error("it has a token that it does not need")
	}
	for what, pair := range map[string][2]any{
		"image":           {doctor.Containers[0].Image, bridge.Containers[0].Image},
		"environment":     {doctor.Containers[0].Env, bridge.Containers[0].Env[1:]}, // without the address of the ops port
		"mounts":          {doctor.Containers[0].VolumeMounts, withoutData(bridge.Containers[0].VolumeMounts, func(m corev1.VolumeMount) string { return m.Name })},
		"volumes":         {doctor.Volumes, withoutData(bridge.Volumes, func(v corev1.Volume) string { return v.Name })},
		"service account": {doctor.ServiceAccountName, bridge.ServiceAccountName},
		"host aliases":    {doctor.HostAliases, bridge.HostAliases},
		"nodes":           {doctor.NodeSelector, bridge.NodeSelector},
		"tolerations":     {doctor.Tolerations, bridge.Tolerations},
		"security":        {doctor.SecurityContext, bridge.SecurityContext},
		"confinement":     {doctor.Containers[0].SecurityContext, bridge.Containers[0].SecurityContext},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, the bridges have %v", what, pair[0], pair[1])
		}
	}
	for _, v := range doctor.Volumes {
		if v.PersistentVolumeClaim != nil {
			t.Errorf("it takes the bridge's volume %s", v.Name)
		}
	}
	platformDoctorIsApart(t, all, job.Spec.Template.Labels)
}

func withoutData[T any](all []T, name func(T) string) []T {
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return name(v) == "data" })
}

// platformDoctorIsApart checks that what selects bridges does not select the doctor's pod,
// but for the bridges' network policy, and that brokers admit it.
func platformDoctorIsApart(t *testing.T, all objects, pod labels.Set) {
	t.Helper()
	_, bridges := platformWorkloads(t, all)
	if labels.SelectorFromSet(bridges.Spec.Selector.MatchLabels).Matches(pod) {
		t.Error("the Deployment selects the doctor")
	}
	matches := func(s *metav1.LabelSelector) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		return err == nil && selector.Matches(pod)
	}
	var selecting []string
	admitted := false
	for _, o := range all {
		switch v := o.typed.(type) {
		case *corev1.Service:
			if labels.SelectorFromSet(v.Spec.Selector).Matches(pod) {
				t.Errorf("%s selects the doctor", o)
			}
		case *networkingv1.NetworkPolicy:
			if matches(&v.Spec.PodSelector) {
				selecting = append(selecting, v.Name)
			}
			for _, rule := range v.Spec.Ingress {
				admitted = admitted || strings.HasSuffix(v.Name, "-broker") &&
					slices.ContainsFunc(rule.From, func(p networkingv1.NetworkPolicyPeer) bool { return p.PodSelector != nil && matches(p.PodSelector) })
			}
		}
	}
	if !slices.Equal(selecting, []string{bridges.Name}) {
		t.Errorf("policies of the doctor: %v, want that of the bridges", selecting)
	}
	if !admitted {
		t.Error("brokers do not admit the doctor")
	}
}
