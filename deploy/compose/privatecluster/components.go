package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Only the API server is open to other containers.
const (
	apiPort     = "6443"
	etcdURL     = "http://127.0.0.1:2379"
	etcdPeerURL = "http://127.0.0.1:2380"
)

// component is one process of the control plane.
type component struct {
	name  string
	flags []string
	// healthy asks whether it serves; nil for one that nothing waits for.
	healthy func(context.Context, *api) error
}

// components are in the order of their start.
func components(dir string) []component {
	pki := func(file string) string { return filepath.Join(dir, "pki", file) }
	return []component{
		{"etcd", []string{
			"--name=private", "--data-dir=" + filepath.Join(dir, "etcd"), "--log-level=warn",
			"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
			"--listen-peer-urls=" + etcdPeerURL, "--initial-advertise-peer-urls=" + etcdPeerURL,
			"--initial-cluster=private=" + etcdPeerURL,
		}, etcdHealthy},
		{"kube-apiserver", []string{
			"--etcd-servers=" + etcdURL,
			"--bind-address=0.0.0.0", "--secure-port=" + apiPort,
			// An internal network has no default route from which to choose an
			// address, and without nodes the endpoint is not used.
			"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=10.96.0.0/16",
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pki("tokens.crt"), "--service-account-signing-key-file=" + pki("tokens.key"),
			"--authorization-mode=RBAC",
			"--shutdown-delay-duration=0s",
		}, func(ctx context.Context, a *api) error { return a.healthy(ctx) }},
		{"kube-controller-manager", []string{
			"--master=https://127.0.0.1:" + apiPort, "--kubeconfig=" + filepath.Join(dir, "controller-manager.kubeconfig"),
			"--bind-address=127.0.0.1", "--cert-dir=" + filepath.Join(dir, "controller-manager"),
			"--service-account-private-key-file=" + pki("tokens.key"), "--root-ca-file=" + pki("ca.crt"),
			"--use-service-account-credentials",
			"--leader-elect=false", // there is only one
		}, nil},
	}
}

const managerKubeconfig = `apiVersion: v1
kind: Config
current-context: it
clusters: [{name: it, cluster: {server: "https://127.0.0.1:6443", certificate-authority: pki/ca.crt}}]
users: [{name: it, user: {client-certificate: pki/controller-manager.crt, client-key: pki/controller-manager.key}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
`

func etcdHealthy(ctx context.Context, _ *api) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, etcdURL+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s", resp.Status)
	}
	return nil
}

// Bounds of starting and stopping.
const (
	// startWithin bounds the start of each component: it takes seconds on an idle
	// machine, a minute on a loaded one.
	startWithin = 2 * time.Minute
	// stopWithin is the time before a component is killed. Three of them fit into
	// the 30 s of the container's stop_grace_period.
	stopWithin = 8 * time.Second
	// lookEvery is the pause between health checks of a component that starts.
	lookEvery = 200 * time.Millisecond
)

// supervise starts the components one after the other, then runs work beside them.
// It returns nil when ctx ends, and an error when a component or work ends.
func supervise(ctx context.Context, all []component, a *api, work func(context.Context) error) (err error) {
	if err := writeFile(filepath.Join(dataDir, "controller-manager.kubeconfig"), []byte(managerKubeconfig)); err != nil {
		return err
	}
	// The first one that ends by itself ends the others.
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	for _, c := range all {
		p, err := start(c)
		if err != nil {
			return err
		}
		defer p.stop() // last started first
		go func() {    // ends with the process, which stop waits for
			<-p.done
			end(fmt.Errorf("%s ended: %w", c.name, p.err))
		}()
		if err := p.await(inner, a); err != nil {
			return quietly(ctx, err)
		}
	}
	if err := work(inner); err != nil && inner.Err() == nil {
		return err
	}
	<-inner.Done()
	return quietly(ctx, context.Cause(inner))
}

// quietly drops an error if we were asked to stop.
func quietly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type process struct {
	component
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

func start(c component) (*process, error) {
	p := &process{component: c, done: make(chan struct{})}
	p.cmd = exec.Command(binary, append([]string{c.name}, c.flags...)...)
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	go func() {
		if p.err = p.cmd.Wait(); p.err == nil {
			p.err = errors.New("exit status 0")
		}
		close(p.done)
	}()
	return p, nil
}

// await returns when the component serves.
func (p *process) await(ctx context.Context, a *api) error {
	if p.healthy == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := p.healthy(ctx, a)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last: %w)", p.name, context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has already ended
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
