package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// space is a test's namespace and its way to all that tests share.
type space struct {
	*suite
	t    *testing.T
	name string
}

// newSpace makes a namespace for t. It skips t where whole-system tests are
// not asked for.
func newSpace(t *testing.T) *space {
	t.Helper()
	testbed.Need(t)
	sp := &space{suite: shared, t: t, name: testbed.NamespaceName(t)}
	sp.MakeNamespace(t, sp.name, nil)
	return sp
}

// newNodeSpace is newSpace for a test that needs running pods.
func newNodeSpace(t *testing.T) *space {
	t.Helper()
	if shared != nil && !shared.kube.HasNode() {
		t.Skip("needs a node: " + shared.kube.NoNode) // with "require" there is one, or nothing has started
	}
	return newSpace(t)
}

// until waits for a condition for a minute.
func (sp *space) until(what string, check func(context.Context) error) {
	sp.t.Helper()
	testbed.Until(sp.t, what, time.Minute, check)
}

// path is a path of the API within the namespace.
func (sp *space) path(rest string) string { return "/api/v1/namespaces/" + sp.name + rest }

// pod starts a pod from busybox that runs a shell script, and waits until it
// runs and, if probe is not empty, until that command succeeds in it.
func (sp *space) pod(name, script, probe string) {
	sp.t.Helper()
	grace := int64(0)
	container := corev1.Container{
		Name: "main", Image: sp.kube.Images["busybox"], ImagePullPolicy: corev1.PullNever,
		Command: []string{"sh", "-c", script}, Stdin: true,
	}
	if probe != "" {
		container.ReadinessProbe = &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", probe}}},
			PeriodSeconds:    1,
			FailureThreshold: 100,
		}
	}
	sp.runPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}, TerminationGracePeriodSeconds: &grace},
	})
}

func (sp *space) runPod(pod *corev1.Pod) {
	sp.t.Helper()
	pods := sp.admin.CoreV1().Pods(sp.name)
	if _, err := pods.Create(sp.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		sp.t.Fatalf("make pod: %v", err)
	}
	// A pod may have a gigabyte to write before it is ready.
	err := harness.Until(sp.t.Context(), "pod "+pod.Name+" to be ready", 5*time.Minute, nil, func(ctx context.Context) error {
		p, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("phase %s, %+v", p.Status.Phase, p.Status.ContainerStatuses)
	})
	if err != nil {
		sp.t.Fatal(err)
	}
}

// configMap makes a config map directly.
func (sp *space) configMap(name string, data map[string]string) {
	sp.t.Helper()
	_, err := sp.admin.CoreV1().ConfigMaps(sp.name).Create(sp.t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}, metav1.CreateOptions{})
	if err != nil {
		sp.t.Fatalf("make config map: %v", err)
	}
}

// each calls f for 0 to n-1 on a few goroutines and returns the first error.
func each(n, workers int, f func(int) error) error {
	work, errs := make(chan int), make(chan error, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range work {
				if err := f(i); err != nil {
					select {
					case errs <- err:
					default: // one is enough
					}
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	close(errs)
	return <-errs
}
