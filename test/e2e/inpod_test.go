package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestAgentInAPod runs the agent as in production: in a pod with probes, with
// the pod's service account, and without a flag about the API server.
func TestAgentInAPod(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{Agents: -1, Binaries: sp.plain})
	sp.agentRights()
	sp.agentSecret(s)
	sp.runPod(sp.agentPod(s))
	if err := s.WaitReachable(t.Context(), s.Ref()); err != nil {
		t.Fatal(err)
	}

	tunnel := sp.sideOf(s, s.Ref())
	if who := sp.must(sp.on(tunnel, "auth", "whoami")); !strings.Contains(who, "system:serviceaccount:"+sp.name+":agent") {
		t.Errorf("the request was not made as the pod's service account:\n%s", who)
	}
	// The agent's own pod, through itself.
	if log := sp.must(sp.on(tunnel, "logs", "agent")); !strings.Contains(log, "agent up") {
		t.Errorf("log of the agent: %s", log)
	}
	if got := sp.must(sp.on(tunnel, "exec", "-i", "agent", "--", "sort").input(strings.NewReader("b\na\n"))); got != "a\nb\n" {
		t.Errorf("sort gave %q", got)
	}
	sp.must(sp.on(tunnel, "delete", "pod", "agent", "--wait=false"))
	err := harness.Until(t.Context(), "the cluster to be offline", 45*time.Second, nil, s.Offline)
	if err != nil {
		t.Error(err)
	}
}

// agentRights makes a service account with the rights of the agent outside the
// cluster.
func (sp *space) agentRights() {
	sp.t.Helper()
	ctx := sp.t.Context()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "agent"}}
	if _, err := sp.admin.CoreV1().ServiceAccounts(sp.name).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "fairlead-agent-test"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "agent", Namespace: sp.name}},
	}
	if _, err := sp.admin.RbacV1().RoleBindings(sp.name).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
}

// agentSecret makes a Secret with the files that a cluster's owner is given.
func (sp *space) agentSecret(s *harness.System) {
	sp.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "agent"}, Data: map[string][]byte{}}
	for name, file := range map[string]string{"creds": s.CredsFile(), "ca.crt": s.CAFile()} {
		data, err := os.ReadFile(file)
		if err != nil {
			sp.t.Fatal(err)
		}
		secret.Data[name] = data
	}
	if _, err := sp.admin.CoreV1().Secrets(sp.name).Create(sp.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
}

// agentPod uses the node's network, since broker and API server listen on
// loopback only, and mounts the agent's binary from this machine.
func (sp *space) agentPod(s *harness.System) *corev1.Pod {
	sp.t.Helper()
	address, err := freeport.Address()
	if err != nil {
		sp.t.Fatal(err)
	}
	_, ops, _ := strings.Cut(address, ":")
	_, apiServer, _ := strings.Cut(strings.TrimPrefix(sp.kube.Server, "https://"), ":")
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 30, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.Parse(ops)},
		}}
	}
	volume := func(name string, source corev1.VolumeSource) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: source}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "agent", HostNetwork: true,
			Containers: []corev1.Container{{
				Name: "agent", Image: sp.kube.Images["busybox"], ImagePullPolicy: corev1.PullNever,
				Command: []string{"/fairlead/" + filepath.Base(s.Options.Binaries.Agent)},
				Args:    []string{"--server", s.BrokerURLs(), "--creds", "/etc/fairlead/creds", "--ca", "/etc/fairlead/ca.crt", "--ops-listen", ":" + ops},
				// Nothing routes to the service's address here.
				Env:           []corev1.EnvVar{{Name: "KUBERNETES_SERVICE_HOST", Value: "127.0.0.1"}, {Name: "KUBERNETES_SERVICE_PORT", Value: apiServer}},
				LivenessProbe: probe("/livez"), ReadinessProbe: probe("/readyz"),
				VolumeMounts: []corev1.VolumeMount{
					{Name: "binary", MountPath: "/fairlead", ReadOnly: true}, {Name: "secret", MountPath: "/etc/fairlead", ReadOnly: true},
				},
			}},
			Volumes: []corev1.Volume{
				volume("binary", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: filepath.Dir(s.Options.Binaries.Agent)}}),
				volume("secret", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "agent"}}),
			},
		},
	}
}
