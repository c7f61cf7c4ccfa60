package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// watchWithin bounds how long an event of the watch may take to show.
const watchWithin = 30 * time.Second

// show runs kubectl through the tunnel.
func (d *demo) show(ctx context.Context) error {
	d.step("kubectl through the tunnel: kubectl -> bridge -> broker -> agent -> API server")
	if err := d.kubectl(ctx, "", "get", "nodes"); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "", "auth", "whoami"); err != nil {
		return err
	}
	d.made = true
	if err := d.kubectl(ctx, "", "create", "namespace", d.namespace); err != nil {
		return err
	}
	if err := d.showObjects(ctx); err != nil || !d.kube.HasNode() {
		return err
	}
	return d.showPods(ctx)
}

// clean deletes the namespace, even after a failure or Ctrl-C.
func (d *demo) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := d.kubectl(ctx, "", "delete", "namespace", d.namespace, "--wait=false", "--ignore-not-found")
	fmt.Println()
	return err
}

func (d *demo) showObjects(ctx context.Context) error {
	for _, args := range [][]string{
		{"-n", d.namespace, "create", "configmap", "hello", "--from-literal=greeting=ahoy"},
		{"-n", d.namespace, "get", "configmap", "hello", "-o", "jsonpath={.data.greeting}{\"\\n\"}"},
	} {
		if err := d.kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	watch, err := d.watch(ctx, "-n", d.namespace, "get", "configmap", "hello", "--watch", "--output-watch-events", "--no-headers")
	if err != nil {
		return err
	}
	defer watch.stop()
	if err := watch.shows(ctx, "ADDED"); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "", "-n", d.namespace, "annotate", "configmap", "hello", "seen=true"); err != nil {
		return err
	}
	if err := watch.shows(ctx, "MODIFIED"); err != nil {
		return err
	}
	fmt.Println("\n  the watch printed:")
	for line := range strings.Lines(watch.text()) {
		fmt.Printf("    %s\n", strings.TrimRight(line, "\n"))
	}
	return nil
}

func (d *demo) showPods(ctx context.Context) error {
	image := d.kube.Images["busybox"]
	manifest := fmt.Sprintf(deployment, image)
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{manifest, []string{"-n", d.namespace, "apply", "-f", "-"}},
		{"", []string{"-n", d.namespace, "rollout", "status", "deployment/sailor", "--timeout=2m"}},
		{"", []string{"-n", d.namespace, "get", "pods", "-o", "wide"}},
		{"", []string{"-n", d.namespace, "logs", "deployment/sailor"}},
		{"b\nc\na\n", []string{"-n", d.namespace, "exec", "-i", "deployment/sailor", "--", "sort"}},
	} {
		if err := d.kubectl(ctx, c.stdin, c.args...); err != nil {
			return err
		}
	}
	return nil
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: sailor}
spec:
  selector: {matchLabels: {app: sailor}}
  template:
    metadata: {labels: {app: sailor}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: sailor
        image: %s
        imagePullPolicy: Never
        command: [sh, -c, "echo ahoy from $(hostname); exec sleep 1000000"]
`

// kubectl runs kubectl and prints the command and its output.
func (d *demo) kubectl(ctx context.Context, stdin string, args ...string) error {
	text := strings.Join(args, " ")
	if stdin != "" {
		text += "   # with input on stdin"
	}
	fmt.Printf("\n  $ kubectl %s\n", text)
	out, err := harness.Kubectl(ctx, d.kube.Kubectl, d.kubeconfig, stdin, args...)
	for line := range strings.Lines(out) {
		fmt.Printf("    %s\n", strings.TrimRight(line, "\n"))
	}
	return err
}

// watch is a kubectl that watches while others change things.
type watch struct {
	cmd *exec.Cmd

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (d *demo) watch(ctx context.Context, args ...string) (*watch, error) {
	fmt.Printf("\n  $ kubectl %s   # in the background\n", strings.Join(args, " "))
	w := &watch{cmd: exec.CommandContext(ctx, d.kube.Kubectl, args...)}
	w.cmd.Env = append(os.Environ(), "KUBECONFIG="+d.kubeconfig)
	w.cmd.Stdout = w
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return w, nil
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *watch) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

// shows waits until the watch has printed the event.
func (w *watch) shows(ctx context.Context, event string) error {
	return harness.Until(ctx, "the watch to show "+event, watchWithin, nil, func(context.Context) error {
		if strings.Contains(w.text(), event) {
			return nil
		}
		return errors.New("not shown yet")
	})
}

func (w *watch) stop() {
	_ = w.cmd.Process.Kill() // nothing else ends it
	_ = w.cmd.Wait()
}

// tellHowToGoOn prints commands to try next.
func (d *demo) tellHowToGoOn() {
	s, try := d.system, "configmaps -n "+d.namespace
	if d.kube.HasNode() {
		try = "pods -n " + d.namespace // also for logs and exec
	}
	fmt.Printf(`
The demo runs until you press Ctrl-C. In another terminal, try kubectl through the tunnel:

  export KUBECONFIG=%[1]s
  %[2]s get %[3]s

the API of the bridge:

  bridge=%[4]s ca=%[5]s token=%[6]s
  curl -s --cacert $ca -H "Authorization: Bearer $(cat $token)" $bridge/v1/clusters
  curl -s --cacert $ca -H "Authorization: Bearer $(cat $token)" $bridge/v1/clusters/%[7]s
  curl -s --cacert $ca -H "Authorization: Bearer $(cat $token)" $bridge/v1/clusters/%[7]s/requests -d '{"method":"GET","path":"/version"}'

and kubectl fairlead, which 'make build' puts into bin/:

  bin/kubectl-fairlead clusters --bridge $bridge --bridge-ca $ca --token-file $token

In a browser: %[8]s
(its certificate is signed by the CA in %[5]s; log in with the token in %[6]s)

Logs are in %[9]s
`, d.kubeconfig, d.kube.Kubectl, try, s.URL(""), s.CAFile(), filepath.Join(s.Config, "token"), s.Ref(),
		s.URL("/ui/"), filepath.Join(s.Options.Dir, "logs"))
}
