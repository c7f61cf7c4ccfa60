package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

func main() {
	oneshot := flag.Bool("oneshot", os.Getenv("ONESHOT") != "", "end after the show (also ONESHOT=1)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, *oneshot)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo holds the processes and files of a running demo.
type demo struct {
	began      time.Time
	dir        string
	namespace  string
	made       bool // the namespace, which stop deletes
	kube       *harness.Kube
	system     *harness.System
	kubeconfig string // of the tunnel
}

// step prints a progress line.
func (d *demo) step(text string) {
	fmt.Printf("demo %6.1fs  %s\n", time.Since(d.began).Seconds(), text)
}

func run(ctx context.Context, oneshot bool) (err error) {
	d := &demo{began: time.Now()}
	// The name is new each time: the last demo's namespace may still be terminating.
	d.namespace = fmt.Sprintf("fairlead-demo-%05x", d.began.Unix()&0xfffff)
	unlock, err := d.claim()
	if err != nil {
		return err
	}
	defer unlock()
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil {
		return err
	}
	if oneshot {
		return nil
	}
	d.tellHowToGoOn()
	select {
	case <-ctx.Done():
		fmt.Println()
		return nil
	case <-d.kube.Done():
		return errors.New("the Kubernetes cluster has ended")
	case <-d.system.Bridge.Done():
		return d.system.Bridge.Err()
	case <-d.system.Agents[0].Done():
		return d.system.Agents[0].Err()
	}
}

// claim makes sure that only one demo runs at a time, since they share a folder.
func (d *demo) claim() (unlock func(), err error) {
	root, err := harness.Root()
	if err != nil {
		return nil, err
	}
	d.dir = filepath.Join(root, ".demo")
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another demo runs in %s", d.dir), f.Close())
	}
	return func() { _ = f.Close() }, nil // nothing was written
}

func (d *demo) start(ctx context.Context) error {
	d.step("build Fairlead")
	binaries, err := harness.Build(ctx, false)
	if err != nil {
		return err
	}
	agentConfig, err := d.startKube(ctx)
	if err != nil {
		return err
	}
	// Remove an earlier demo's keys and logs.
	system := filepath.Join(d.dir, "fairlead")
	if err := os.RemoveAll(system); err != nil {
		return err
	}
	d.system, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: system, Binaries: binaries, AgentKubeconfig: agentConfig, Progress: d.step,
	})
	if err != nil {
		return err
	}
	d.kubeconfig, err = d.system.Kubeconfig(ctx, d.system.Ref(), d.dir)
	if err == nil {
		d.step("the bridge issued a kubeconfig for the tunnel: " + d.kubeconfig)
	}
	return err
}

// startKube uses the cluster that KUBECONFIG names, or starts one. It returns the
// kubeconfig for the agent.
func (d *demo) startKube(ctx context.Context) (agentConfig string, err error) {
	if theirs := os.Getenv("KUBECONFIG"); theirs != "" {
		return d.useKube(ctx, theirs)
	}
	d.step("start a Kubernetes cluster; the first start builds it from source, about 10 minutes on 2 cores")
	d.kube, err = harness.StartKube(ctx, harness.KubeOptions{Dir: filepath.Join(d.dir, "kube"), Progress: os.Stdout})
	if err != nil {
		return "", err
	}
	d.step("Kubernetes " + d.kube.Version + " runs; kubectl is " + d.kube.Kubectl)
	if !d.kube.HasNode() {
		d.step("the cluster has no node, so no pods will run: " + d.kube.NoNode)
	}
	return d.kube.MakeAgentIdentity(ctx, d.dir)
}

// useKube gives the agent only the current context of the user's kubeconfig,
// which may be spread over several files.
func (d *demo) useKube(ctx context.Context, theirs string) (agentConfig string, err error) {
	for _, path := range filepath.SplitList(theirs) {
		if abs, err := filepath.Abs(path); err == nil && filepath.Dir(abs) == d.dir {
			return "", fmt.Errorf("KUBECONFIG names the tunnel of an earlier demo, %s: unset it", path)
		}
		if _, err := os.Stat(path); path != "" && err != nil {
			return "", fmt.Errorf("KUBECONFIG: %w", err)
		}
	}
	d.step("use the cluster that KUBECONFIG names; the agent acts with its credentials: " + theirs)
	if d.kube, err = harness.UseKube(ctx, theirs); err != nil {
		return "", err
	}
	d.step("the cluster is " + d.kube.Server + "; kubectl is " + d.kube.Kubectl)
	current, err := d.kube.Run(ctx, "", "config", "view", "--raw", "--minify", "--flatten")
	if err != nil {
		return "", err
	}
	agentConfig = filepath.Join(d.dir, "agent.kubeconfig")
	return agentConfig, os.WriteFile(agentConfig, []byte(current), 0o600)
}

func (d *demo) stop() error {
	var errs []error
	if d.made {
		errs = append(errs, d.clean())
	}
	if d.system != nil {
		d.step("stop agent and bridge")
		errs = append(errs, d.system.Stop())
	}
	if d.kube != nil {
		errs = append(errs, d.kube.Stop())
	}
	d.step("everything has stopped")
	return errors.Join(errs...)
}
