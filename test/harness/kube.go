package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Kube is a running Kubernetes: one that StartKube made, or that UseKube found.
type Kube struct {
	KubeInfo
	dir     string   // of the cluster; empty for one of UseKube
	process *Process // nil for one of UseKube
}

// KubeInfo is test/kube's description of a cluster. The README of test/kube is the
// contract.
type KubeInfo struct {
	Version    string `json:"version"`
	Server     string `json:"server"`     // URL of the API server
	CAFile     string `json:"caFile"`     // signs its certificate
	Kubeconfig string `json:"kubeconfig"` // of an administrator
	Kubectl    string `json:"kubectl"`    // of the same version
	LogDir     string `json:"logDir"`
	AuditLog   string `json:"auditLog"`
	NodeName   string `json:"nodeName"` // empty without a node
	NodeIP     string `json:"nodeIP"`   // an address of this machine that pods reach
	// ServicesIP is the address of node ports and load balancers' ports, for
	// pods and for this machine; empty without services.
	ServicesIP string            `json:"servicesIP"`
	NoNode     string            `json:"noNode"` // why there is no node
	Images     map[string]string `json:"images"` // what pods can run, by short name
	PIDs       map[string]int    `json:"pids"`   // by component
}

// KubeOptions are the options of StartKube.
type KubeOptions struct {
	Dir         string    // folder of the cluster; an earlier cluster in it is wiped
	RequireNode bool      // fail rather than go without a node
	Services    bool      // let pods reach services by address and name, and give claims volumes
	Names       []string  // DNS names that lead pods to ServicesIP
	Audit       bool      // let the API server log every request
	Flags       []string  // more flags of the API server
	Progress    io.Writer // gets test/kube's progress lines; nil for none
}

const (
	// kubeWithin covers a cold build on two slow cores.
	kubeWithin = 45 * time.Minute
	// kubeStopWithin covers ten seconds of grace for each component and the
	// cleanup of the node.
	kubeStopWithin = 3 * time.Minute
)

// StartKube builds a Kubernetes if needed and runs it, with a node if this machine
// can be one.
func StartKube(ctx context.Context, o KubeOptions) (*Kube, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	kubeup, err := buildKubeup(ctx, root)
	if err != nil {
		return nil, err
	}
	args := []string{"up", "--module", kubeModule(root), "--dir", o.Dir, "--node", "--stop-on-stdin-eof"}
	if o.RequireNode {
		args = append(args, "--require-node")
	}
	if o.Services {
		args = append(args, "--services")
	}
	for _, name := range o.Names {
		args = append(args, "--name", name)
	}
	if o.Audit {
		args = append(args, "--audit")
	}
	for _, f := range o.Flags {
		args = append(args, "--apiserver-flag", f)
	}
	ready := &readyLine{progress: o.Progress}
	// The log is next to the folder, since test/kube takes only folders of its own.
	p, err := Start(Spec{Name: "kubeup", Path: kubeup, Args: args, Log: o.Dir + ".log", Output: ready, StopOnStdin: true})
	if err != nil {
		return nil, err
	}
	k := &Kube{dir: o.Dir, process: p}
	err = Until(ctx, "the Kubernetes to be ready", kubeWithin, p, func(context.Context) error {
		path := ready.get()
		if path == "" {
			return errors.New("not ready yet")
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &k.KubeInfo)
	})
	if err != nil {
		return nil, errors.Join(err, p.Stop(kubeStopWithin))
	}
	return k, nil
}

// UseKube uses the cluster that a kubeconfig names. It looks for kubectl in PATH,
// and builds one if there is none.
func UseKube(ctx context.Context, kubeconfig string) (*Kube, error) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		if kubectl, err = BuildKubectl(ctx); err != nil {
			return nil, err
		}
	}
	k := &Kube{KubeInfo: KubeInfo{Kubeconfig: kubeconfig, Kubectl: kubectl}}
	out, err := k.Run(ctx, "", "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
	if err != nil {
		return nil, fmt.Errorf("use the cluster of %s: %w", kubeconfig, err)
	}
	k.Server = out
	return k, nil
}

// BuildKubectl builds kubectl from test/kube and returns its path.
func BuildKubectl(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".cache", "bin", "kubectl")
	return path, goCommand(ctx, kubeModule(root), filepath.Dir(path), "CGO_ENABLED=0", "build", "-trimpath", "-o", path, "./cmd/kubectl")
}

// HasNode reports whether pods run.
func (k *Kube) HasNode() bool { return k.NodeName != "" }

// Done is closed when a cluster of StartKube has ended. It is nil, and so blocks
// for ever, for a cluster of UseKube.
func (k *Kube) Done() <-chan struct{} {
	if k.process == nil {
		return nil
	}
	return k.process.Done()
}

// Stop ends a cluster of StartKube and waits until its traces are removed.
func (k *Kube) Stop() error {
	if k.process == nil {
		return nil
	}
	return k.process.Stop(kubeStopWithin)
}

// Run runs kubectl as the administrator and returns its stdout.
func (k *Kube) Run(ctx context.Context, stdin string, args ...string) (string, error) {
	return Kubectl(ctx, k.Kubectl, k.Kubeconfig, stdin, args...)
}

// Kubectl runs kubectl with a kubeconfig. The error contains its stderr.
func Kubectl(ctx context.Context, kubectl, kubeconfig, stdin string, args ...string) (string, error) {
	env := append(childEnv(os.Environ()), "KUBECONFIG="+kubeconfig)
	stdout, _, err := Command{Path: kubectl, Args: args, Env: env, Stdin: stdin}.Run(ctx)
	return stdout, err
}

// readyLine looks for the line that announces a cluster, and passes on all the
// others.
type readyLine struct {
	progress io.Writer
	mu       sync.Mutex // guards all below
	partial  []byte
	path     string
}

func (r *readyLine) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.partial = append(r.partial, p...)
	for {
		line, rest, found := bytes.Cut(r.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		if path, ok := strings.CutPrefix(string(line), "ready "); ok {
			r.path = path
		} else if r.progress != nil {
			fmt.Fprintf(r.progress, "%s\n", line)
		}
		r.partial = append([]byte(nil), rest...)
	}
}

func (r *readyLine) get() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.path
}

// LoadImages imports images into the node of a cluster of StartKube, from archives
// in the format of 'docker save'. Pods must not set the pull policy Always.
func (k *Kube) LoadImages(ctx context.Context, archives ...string) error {
	if k.process == nil {
		return errors.New("load images: the cluster was not started here")
	}
	args := append([]string{"load", "--dir", k.dir, "--"}, archives...)
	// The program that runs the cluster knows where its node is.
	if _, _, err := (Command{Path: k.process.spec.Path, Args: args}).Run(ctx); err != nil {
		return fmt.Errorf("load images: %w", err)
	}
	return nil
}
