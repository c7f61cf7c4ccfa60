package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/test/harness"
)

// Options are the options of Start.
type Options struct {
	// Kubeconfig is that of an administrator of the cluster to be used. If it is "", a
	// Kubernetes of test/kube is started.
	Kubeconfig string
	// Image is that of the pod for exec and cp, with sh, cat and tar: by default
	// test/kube's busybox, or "busybox" in another cluster.
	Image string
	// Quick makes everything small: it only shows that it works.
	Quick    bool
	Progress func(string)
}

// Sides are the ways to the API server, in the order of the report.
var Sides = [2]string{"direct", "tunnel"}

// side is one of them.
type side struct {
	config *rest.Config
	set    *kubernetes.Clientset
	client *http.Client
}

// Cluster is a Kubernetes and an installation of Fairlead with an agent in it.
type Cluster struct {
	Version string // of the API server
	NoNode  string // why no pod runs; "" if one does

	options   Options
	dir       string
	kube      *harness.Kube // nil for one that was there
	system    *harness.System
	sides     map[string]*side
	namespace string // "" before it is made
	sizes     sizes
	tar       []byte // what cp copies
}

// Start starts what is needed, and makes the objects.
func Start(ctx context.Context, o Options) (_ *Cluster, err error) {
	c := &Cluster{options: o, sides: map[string]*side{}, sizes: full}
	if o.Quick {
		c.sizes = quick
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.dir, err = os.MkdirTemp("", "fairlead-bench-"); err != nil {
		return nil, fmt.Errorf("working folder: %w", err)
	}
	for _, step := range []func(context.Context) error{c.startKube, c.startTunnel, c.makeObjects, c.startPod} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// startKube starts a Kubernetes, unless there is one, and makes the side that is direct.
func (c *Cluster) startKube(ctx context.Context) (err error) {
	kubeconfig := c.options.Kubeconfig
	if kubeconfig == "" {
		c.options.Progress("starting a Kubernetes; the first time it is built, which takes 10 minutes")
		if c.kube, err = harness.StartKube(ctx, harness.KubeOptions{Dir: filepath.Join(c.dir, "kube")}); err != nil {
			return err
		}
		kubeconfig, c.NoNode = c.kube.Kubeconfig, c.kube.NoNode
		c.options.Image = cmp.Or(c.options.Image, c.kube.Images["busybox"])
	}
	if c.options.Kubeconfig, err = filepath.Abs(kubeconfig); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	direct, err := c.addSide(Sides[0], kubeconfig)
	if err != nil {
		return err
	}
	v, err := direct.set.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server: %w", err)
	}
	c.Version = v.GitVersion
	return nil
}

// startTunnel starts the binaries as they are by default, and makes the other side.
func (c *Cluster) startTunnel(ctx context.Context) error {
	bin, err := harness.Build(ctx, false)
	if err != nil {
		return err
	}
	c.system, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: filepath.Join(c.dir, "system"), Binaries: bin, AgentKubeconfig: c.options.Kubeconfig, Progress: c.options.Progress,
	})
	if err != nil {
		return err
	}
	kubeconfig, err := c.system.Kubeconfig(ctx, c.system.Ref(), c.dir)
	if err != nil {
		return err
	}
	_, err = c.addSide(Sides[1], kubeconfig)
	return err
}

func (c *Cluster) addSide(name, kubeconfig string) (*side, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	config.QPS = -1 // no limit of the client's own
	s := &side{config: config}
	if s.client, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.set, err = kubernetes.NewForConfigAndClient(config, s.client); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.sides[name] = s
	return s, nil
}

// direct is the side for what is not measured.
func (c *Cluster) direct() *kubernetes.Clientset { return c.sides[Sides[0]].set }

// runsWithin bounds how long pods and their namespace take.
const runsWithin = 2 * time.Minute

// startPod runs the pod for exec and cp, if there is a node for it.
func (c *Cluster) startPod(ctx context.Context) error {
	if c.NoNode == "" {
		nodes, err := c.direct().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("nodes: %w", err)
		}
		if len(nodes.Items) == 0 {
			c.NoNode = "the cluster has no node"
		}
	}
	if c.NoNode != "" {
		return nil
	}
	pods, grace := c.direct().CoreV1().Pods(c.namespace), int64(0)
	_, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{
			Name: "main", Image: cmp.Or(c.options.Image, "busybox"), ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"sh", "-c", "exec sleep 100000"},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make pod: %w", err)
	}
	err = harness.Until(ctx, "the pod to run", runsWithin, nil, func(ctx context.Context) error {
		p, err := pods.Get(ctx, podName, metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("phase %s, %+v", p.Status.Phase, p.Status.ContainerStatuses)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.tar, err = makeTar(c.sizes.bytes); err != nil {
		return err
	}
	_, err = c.copyIn(ctx, c.sides[Sides[0]]) // for the copies out of it
	return err
}

// closeWithin bounds the removal of the namespace.
const closeWithin = 10 * time.Second

// Close deletes what was made, and stops what was started.
func (c *Cluster) Close() error {
	var errs []error
	if c.namespace != "" && c.kube == nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		errs = append(errs, c.direct().CoreV1().Namespaces().Delete(ctx, c.namespace, metav1.DeleteOptions{}))
	}
	for _, s := range c.sides {
		s.client.CloseIdleConnections()
	}
	if c.system != nil {
		errs = append(errs, c.system.Stop())
	}
	if c.kube != nil {
		errs = append(errs, c.kube.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
