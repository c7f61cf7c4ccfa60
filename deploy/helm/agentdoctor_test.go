package helm_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestAgentDoctor: the Job looks from where an agent does, with all that it has, and is
// no agent.
func TestAgentDoctor(t *testing.T) {
	if all := render(t, agentChart, with()...); all.has("Job") {
		t.Error("a Job that nobody has asked for")
	}
	all := render(t, agentChart, "--values", filepath.Join(agentChart, "ci", "full-values.yaml"), "--set", "networkPolicy.enabled=true")
	agents := get[*appsv1.Deployment](t, all, "fl-tunnel").Spec
	var job *batchv1.Job
	for _, o := range all {
		if found, ok := o.typed.(*batchv1.Job); ok {
			job = found
		}
	}
	if job == nil || !strings.HasSuffix(job.Name, "-doctor-1") {
		t.Fatalf("no Job of the doctor: %v", all)
	}
	agent, doctor := agents.Template.Spec, job.Spec.Template.Spec
	if doctor.RestartPolicy != corev1.RestartPolicyNever || *job.Spec.BackoffLimit != 0 {
		t.Errorf("it looks again and again: %s, %d", doctor.RestartPolicy, *job.Spec.BackoffLimit)
	}
	if got, want := doctor.Containers[0].Args, append([]string{"doctor", "--output=json"}, agent.Containers[0].Args...); !slices.Equal(got, want) {
		t.Errorf("arguments %v, want %v", got, want)
	}
	for what, pair := range map[string][2]any{
		"image":           {doctor.Containers[0].Image, agent.Containers[0].Image},
		"environment":     {doctor.Containers[0].Env, agent.Containers[0].Env},
		"mounts":          {doctor.Containers[0].VolumeMounts, agent.Containers[0].VolumeMounts},
		"volumes":         {doctor.Volumes, agent.Volumes},
		"service account": {doctor.ServiceAccountName, agent.ServiceAccountName},
		"token":           {doctor.AutomountServiceAccountToken, agent.AutomountServiceAccountToken},
		"host aliases":    {doctor.HostAliases, agent.HostAliases},
		"nodes":           {doctor.NodeSelector, agent.NodeSelector},
		"tolerations":     {doctor.Tolerations, agent.Tolerations},
		"security":        {doctor.SecurityContext, agent.SecurityContext},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, the agents have %v", what, pair[0], pair[1])
		}
	}
	notAnAgent(t, all, job.Spec.Template.Labels)
}

// notAnAgent checks that what selects agents does not select the doctor's pod, but for
// the network policy, which must.
func notAnAgent(t *testing.T, all objects, pod labels.Set) {
	t.Helper()
	policies := 0
	for _, o := range all {
		switch v := o.typed.(type) {
		case *appsv1.Deployment:
			if labels.SelectorFromSet(v.Spec.Selector.MatchLabels).Matches(pod) {
				t.Errorf("%s selects the doctor", o)
			}
		case *corev1.Service:
			if labels.SelectorFromSet(v.Spec.Selector).Matches(pod) {
				t.Errorf("%s selects the doctor", o)
			}
		case *networkingv1.NetworkPolicy:
			policies++
			selector, err := metav1.LabelSelectorAsSelector(&v.Spec.PodSelector)
			if err != nil || !selector.Matches(pod) {
				t.Errorf("%s is not for the doctor: %v", o, err)
			}
		}
	}
	if policies != 1 {
		t.Errorf("%d network policies", policies)
	}
}
