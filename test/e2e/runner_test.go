package e2e

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

// TestRunner does what the Kubernetes executor of GitLab's runner does, with the
// three settings that it has for a cluster: host, ca_file and bearer_token.
func TestRunner(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	j := newJobs(sp)
	config := &rest.Config{
		Host:            j.system.URL("/k8s/clusters/" + j.system.Ref()),
		BearerToken:     j.token(nil),
		TLSClientConfig: rest.TLSClientConfig{CAFile: j.system.CAFile()},
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	set, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	pods := set.CoreV1().Pods(sp.name)
	grace := int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "build"},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "build", Image: sp.kube.Images["busybox"], ImagePullPolicy: corev1.PullNever, Stdin: true,
			Command: []string{"sh", "-c", "while read line; do echo built $line; done; sleep 3600"},
		}}},
	}
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	sp.until("the pod to run", func(ctx context.Context) error {
		p, err := pods.Get(ctx, "build", metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodRunning {
			err = errors.New(string(p.Status.Phase))
		}
		return err
	})

	// run gives what a subresource writes, up to the end of the first line.
	run := func(subresource string, options runtime.Object, stdin io.Reader) string {
		t.Helper()
		req := set.CoreV1().RESTClient().Post().Resource("pods").Namespace(sp.name).Name("build").
			SubResource(subresource).VersionedParams(options, scheme.ParameterCodec)
		executor, err := remotecommand.NewSPDYExecutor(config, "POST", req.URL())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out, done := newOutput(), make(chan struct{})
		go func() {
			defer close(done)
			err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: stdin, Stdout: out})
		}()
		if !out.wait("\n", time.Minute, done) {
			t.Errorf("%s: no output: %q", subresource, out.String())
		}
		cancel()
		<-done
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", subresource, err)
		}
		return out.String()
	}
	// As the runner does, stdin stays open: an attach can end with it.
	script, typed := io.Pipe()
	go func() { _, _ = io.WriteString(typed, "step\n") }()
	if got := run("attach", &corev1.PodAttachOptions{Container: "build", Stdin: true, Stdout: true}, script); got != "built step\n" {
		t.Errorf("attach: %q", got)
	}
	_ = typed.Close()
	if got := run("exec", &corev1.PodExecOptions{Container: "build", Command: []string{"echo", "built", "in exec"}, Stdout: true}, nil); got != "built in exec\n" {
		t.Errorf("exec: %q", got)
	}
	logs, err := pods.GetLogs("build", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil || !strings.Contains(string(logs), "built step") {
		t.Errorf("logs: %q, %v", logs, err)
	}
	// What RBAC denies is told with the user's name.
	_, err = set.CoreV1().Secrets(sp.name).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "gitlab:acme/shop") {
		t.Errorf("secrets: %v", err)
	}
	if err := pods.Delete(t.Context(), "build", metav1.DeleteOptions{}); err != nil {
		t.Errorf("delete: %v", err)
	}
}
