package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/forward"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/process"
)

// Node is a running node. Components are in the order of their start.
type Node struct {
	Components []*process.Process
	forwarder  *forward.Forwarder // from pods to the API server; nil without services
}

const (
	startWithin = 2 * time.Minute  // for each step
	stopWithin  = 10 * time.Second // for each component before it is killed
)

// Start brings up the node and waits until pods can be scheduled on it. If it fails,
// it has stopped its processes. The caller calls Clean in any case, before Start as
// well as after Stop.
func Start(ctx context.Context, l Layout, api *plane.Client, progress func(string)) (_ *Node, err error) {
	n := &Node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
		}
	}()
	p := places{l.Slot}
	if err := n.prepare(ctx, p, l); err != nil {
		return nil, fmt.Errorf("prepare node: %w", err)
	}
	progress("node network " + p.slot.PodRange().String() + " on " + p.slot.Bridge())
	if l.Services != nil {
		if err := n.startNames(p, l); err != nil {
			return nil, err
		}
	}
	if err := n.startContainerd(ctx, p, l); err != nil {
		return nil, err
	}
	progress("containerd is ready")
	if err := importImages(ctx, p, l.Pause); err != nil {
		return nil, err
	}
	progress("images are imported")
	if err := n.startKubelet(ctx, p, l, api); err != nil {
		return nil, err
	}
	progress("kubelet is healthy")
	kubelet := n.Components[len(n.Components)-1]
	err = process.Until(ctx, "node "+l.Name+" to be ready", startWithin, kubelet, func(ctx context.Context) error {
		return schedulable(ctx, api, l.Name)
	})
	if err != nil {
		return nil, err
	}
	progress("node " + l.Name + " is ready")
	if l.Services != nil {
		if err := n.startProxy(p, l); err != nil {
			return nil, err
		}
		if err := n.servicesHealthy(ctx, p, api); err != nil {
			return nil, err
		}
		progress("services are healthy")
	}
	return n, nil
}

// prepare makes the files and networks that the components need.
func (n *Node) prepare(ctx context.Context, p places, l Layout) error {
	for _, dir := range []string{p.run(), p.lib(), p.networkConfig(), p.kubelet()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := saveKernel(p); err != nil {
		return err
	}
	if err := makeGroups(p.slot.Name()); err != nil {
		return err
	}
	if err := makeBridge(ctx, p); err != nil {
		return err
	}
	if l.Services != nil {
		if err := makeInside(ctx, p); err != nil {
			return err
		}
	}
	plugin, err := find(pluginPaths("bridge"))
	if err != nil {
		return err
	}
	network, err := networkConfig(p, l.Services != nil)
	if err != nil {
		return err
	}
	kubelet, err := kubeletConfig(p, l)
	if err != nil {
		return err
	}
	for path, data := range map[string][]byte{
		p.run("containerd.toml"): containerdConfig(p, filepath.Dir(plugin), snapshotter(p)),
		filepath.Join(p.networkConfig(), "10-"+p.network()+".conflist"): network,
		p.run("kubelet.json"): kubelet,
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) startContainerd(ctx context.Context, p places, l Layout) error {
	path, err := find([]string{"containerd"})
	if err != nil {
		return err
	}
	child, err := n.start(p, process.Spec{
		Name: "containerd", Path: path,
		Args: []string{"--config", p.run("containerd.toml")},
		Log:  filepath.Join(l.LogDir, "containerd.log"),
	})
	if err != nil {
		return err
	}
	return process.Until(ctx, "containerd to answer", startWithin, child, func(ctx context.Context) error {
		return ctr(ctx, p, "version")
	})
}

func (n *Node) startKubelet(ctx context.Context, p places, l Layout, api *plane.Client) error {
	child, err := n.start(p, process.Spec{
		Name: "kubelet", Path: l.Binary, Args: kubeletFlags(p, l),
		Log: filepath.Join(l.LogDir, "kubelet.log"),
	})
	if err != nil {
		return err
	}
	return process.Until(ctx, "kubelet to be healthy", startWithin, child, func(ctx context.Context) error {
		return api.Healthy(ctx, fmt.Sprintf("http://127.0.0.1:%d/healthz", p.slot.KubeletHealthPort()))
	})
}

// start runs a component in the runtime's cgroup, where Clean finds it and the
// processes that it leaves behind.
func (n *Node) start(p places, spec process.Spec) (*process.Process, error) {
	child, err := process.Start(spec)
	if err != nil {
		return nil, err
	}
	n.Components = append(n.Components, child)
	if err := enterGroup(p.slot.Name(), child.PID()); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return child, nil
}

// schedulable is nil when the node is ready and nothing keeps pods off it.
func schedulable(ctx context.Context, api *plane.Client, name string) error {
	var object struct {
		Spec struct {
			Taints []struct{ Key string }
		}
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := api.Get(ctx, "/api/v1/nodes/"+name, &object); err != nil {
		return err
	}
	for _, c := range object.Status.Conditions {
		if c.Type == "Ready" && c.Status != "True" {
			return errors.New("not ready: " + c.Message)
		}
	}
	if len(object.Status.Conditions) == 0 {
		return errors.New("not ready: no condition yet")
	}
	for _, t := range object.Spec.Taints {
		return errors.New("tainted " + t.Key)
	}
	return nil
}

// Stop ends the components, last started first, and the forwarder to the API
// server. Pods keep running until Clean.
func (n *Node) Stop() error {
	var errs []error
	for _, c := range slices.Backward(n.Components) {
		errs = append(errs, c.Stop(stopWithin))
	}
	if n.forwarder != nil {
		errs = append(errs, n.forwarder.Close())
	}
	return errors.Join(errs...)
}
