package kube

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// sizes say how much a measurement does.
type sizes struct {
	pods  int // in the list
	bytes int // that cp copies
	// How often something is done, of which the median counts.
	gets, lists, events, execs, lines int
}

var (
	full  = sizes{pods: 500, bytes: 16 << 20, gets: 50, lists: 5, events: 20, execs: 3, lines: 50}
	quick = sizes{pods: 20, bytes: 1 << 20, gets: 3, lists: 1, events: 2, execs: 1, lines: 3}
)

// Names of the objects.
const (
	configName  = "small"   // got
	watchedName = "watched" // changed
	podName     = "box"
	fileName    = "bench.bin"
	nobody      = "nobody" // the scheduler of the list's pods
)

// makeObjects makes the namespace and what is read in it.
func (c *Cluster) makeObjects(ctx context.Context) error {
	core := c.direct().CoreV1()
	made, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fairlead-bench-"}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make namespace: %w", err)
	}
	c.namespace = made.Name
	for _, name := range []string{configName, watchedName} {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"fill": strings.Repeat("x", 700)}}
		if _, err := core.ConfigMaps(c.namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make ConfigMap: %w", err)
		}
	}
	// Pods are refused until a controller has made this.
	err = harness.Until(ctx, "the namespace's service account", runsWithin, nil, func(ctx context.Context) error {
		_, err := core.ServiceAccounts(c.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(16)
	for i := range c.sizes.pods {
		group.Go(func() error {
			_, err := core.Pods(c.namespace).Create(ctx, listedPod(i), metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("make pods: %w", err)
	}
	c.options.Progress(fmt.Sprintf("%d pods are in namespace %s", c.sizes.pods, c.namespace))
	return nil
}

// listedPod is about as large as pods are. No scheduler takes care of it.
func listedPod(i int) *corev1.Pod {
	labels := map[string]string{
		"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": fmt.Sprintf("shop-%d", i), "app.kubernetes.io/managed-by": "bench", "listed": "yes",
	}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "test -f /tmp/ready"}}}}
	few := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	container := corev1.Container{
		Name: "main", Image: "registry.example.com/shop/frontend:1.2.3", Args: []string{"serve", "--port=8080"},
		Resources: corev1.ResourceRequirements{Requests: few, Limits: few}, LivenessProbe: probe, ReadinessProbe: probe,
	}
	for n := range 10 {
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", n), Value: "a value of some length"})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("shop-%d", i), Labels: labels},
		Spec:       corev1.PodSpec{SchedulerName: nobody, Containers: []corev1.Container{container}},
	}
}

// makeTar returns an archive of one file of size bytes that cannot be compressed.
func makeTar(size int) ([]byte, error) {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it never fails
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: fileName, Mode: 0o600, Size: int64(size)}); err != nil {
		return nil, fmt.Errorf("make tar: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("make tar: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("make tar: %w", err)
	}
	return b.Bytes(), nil
}
