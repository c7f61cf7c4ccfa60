package plane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/process"
)

// Plane is a running control plane. Components are in the order of their start.
type Plane struct {
	Components []*process.Process
}

// startWithin bounds each component's start. All take a few seconds on an idle
// machine; a loaded one with two cores may need a minute.
const startWithin = 2 * time.Minute

// Start brings up the components one after the other. If it fails, it has stopped
// those that it started.
func Start(ctx context.Context, l Layout, c *Client, progress func(string)) (*Plane, error) {
	p := &Plane{}
	components := []struct {
		name   string
		flags  []string
		health string
	}{
		{"etcd", l.etcdFlags(), fmt.Sprintf("http://127.0.0.1:%d/health", l.Slot.EtcdClientPort())},
		{"kube-apiserver", l.apiServerFlags(), l.Server() + "/readyz"},
		{"kube-controller-manager", l.controllerManagerFlags(),
			fmt.Sprintf("https://127.0.0.1:%d/healthz", l.Slot.ControllerManagerPort())},
		{"kube-scheduler", l.schedulerFlags(),
			fmt.Sprintf("https://127.0.0.1:%d/healthz", l.Slot.SchedulerPort())},
	}
	for _, component := range components {
		if err := p.start(ctx, l, c, component.name, component.flags, component.health); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
		progress(component.name + " is healthy")
	}
	if err := p.waitUsable(ctx, c); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if l.Services {
		if err := makeServices(ctx, c); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	progress("control plane is usable at " + l.Server())
	return p, nil
}

func (p *Plane) start(ctx context.Context, l Layout, c *Client, name string, flags []string, health string) error {
	child, err := process.Start(process.Spec{
		Name: name, Path: l.Binary, Args: append([]string{name}, flags...), Log: l.Log(name),
	})
	if err != nil {
		return err
	}
	p.Components = append(p.Components, child)
	return process.Until(ctx, name+" to be healthy", startWithin, child, func(ctx context.Context) error {
		return c.Healthy(ctx, health)
	})
}

// waitUsable waits for the objects that every pod needs and that controllers make
// some time after the components are healthy.
func (p *Plane) waitUsable(ctx context.Context, c *Client) error {
	for _, path := range []string{
		"/api/v1/namespaces/default/serviceaccounts/default",
		"/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
	} {
		err := process.Until(ctx, path, startWithin, nil, func(ctx context.Context) error {
			return c.Get(ctx, path, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stopWithin is the grace of each component before it is killed.
const stopWithin = 10 * time.Second

// Stop ends the components, last started first, so that none logs that one it needs
// is missing. It tries all of them.
func (p *Plane) Stop() error {
	var errs []error
	for i := len(p.Components) - 1; i >= 0; i-- {
		errs = append(errs, p.Components[i].Stop(stopWithin))
	}
	return errors.Join(errs...)
}
