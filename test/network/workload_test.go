//go:build linux

package network

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

const (
	podName   = "box"
	copyBytes = 100 << 20
	// callWithin bounds one call of kubectl, with cases beside it on two cores.
	callWithin = 2 * time.Minute
)

// boxScript makes a file to copy and then logs a number ten times a second.
var boxScript = fmt.Sprintf(`head -c %d /dev/urandom >/tmp/big && sha256sum /tmp/big | cut -d" " -f1 >/tmp/sum
i=0; while :; do echo "line $i"; i=$((i+1)); sleep 0.1; done`, copyBytes)

// startPods starts the pod that all tests use, and waits until it can be used.
func (s *suite) startPods(ctx context.Context) error {
	ready := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-s", "/tmp/sum"}}}, PeriodSeconds: 1, FailureThreshold: 100}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64), Containers: []corev1.Container{{
			Name: "main", Image: s.Kube.Images["busybox"], ImagePullPolicy: corev1.PullNever,
			Command: []string{"sh", "-c", boxScript}, ReadinessProbe: ready,
		}}},
	}
	pods := s.Admin.CoreV1().Pods("default")
	err := harness.Until(ctx, "the pod to be made", time.Minute, nil, func(ctx context.Context) error {
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return harness.Until(ctx, "the pod to be ready", 2*time.Minute, nil, func(ctx context.Context) error {
		p, err := pods.Get(ctx, podName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("phase %s", p.Status.Phase)
	})
}

// caller is a user of kubectl.
type caller struct {
	t       *testing.T
	kubectl string
	config  string
}

// caller returns a user who reaches the site's cluster through the bridge.
func (si *site) caller() *caller {
	si.t.Helper()
	config, err := si.system.Kubeconfig(si.t.Context(), si.cluster+".acme", si.dir)
	if err != nil {
		si.t.Fatal(err)
	}
	return &caller{t: si.t, kubectl: si.Kube.Kubectl, config: config}
}

// run runs kubectl to its end and returns its output.
func (c *caller) run(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), callWithin)
	defer cancel()
	out, err := harness.Kubectl(ctx, c.kubectl, c.config, "", args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// command is a call of kubectl that the caller of it starts and ends.
func (c *caller) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.config)
	return cmd
}

// busy bounds how many tests copy at a time: many more run, which mostly wait.
var busy = make(chan struct{}, 2)

// work does what people do with a cluster: get, exec, logs -f, and a copy of 100 MB.
func (c *caller) work() {
	c.t.Helper()
	select {
	case busy <- struct{}{}:
		defer func() { <-busy }()
	case <-c.t.Context().Done():
	}
	if got := c.run("get", "pods", "-o", "name"); got != "pod/"+podName+"\n" {
		c.t.Errorf("get pods: %q", got)
	}
	if got := c.run("exec", podName, "--", "sh", "-c", "echo there"); got != "there\n" {
		c.t.Errorf("exec: %q", got)
	}
	c.follow()
	c.copy()
}

// follow reads some lines of a log that grows.
func (c *caller) follow() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), callWithin)
	defer cancel()
	cmd := c.command(ctx, "logs", "-f", "--tail=1", podName)
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}()
	const lines = 10 // a second's
	var numbers lineNumbers
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		if err := numbers.next(scanner.Text()); err != nil {
			c.t.Errorf("logs -f: %v", err)
			return
		}
		if numbers.count == lines {
			return
		}
	}
	c.t.Errorf("logs -f ended after %d lines", numbers.count)
}

// lineNumbers checks that no line of the pod's log is missing or comes twice.
type lineNumbers struct{ count, last int }

func (l *lineNumbers) next(line string) error {
	var n int
	if _, err := fmt.Sscanf(line, "line %d", &n); err != nil {
		return fmt.Errorf("line %q: %w", line, err)
	}
	if l.count > 0 && n != l.last+1 {
		return fmt.Errorf("line %d came after line %d", n, l.last)
	}
	l.count, l.last = l.count+1, n
	return nil
}

// copy copies a large file out of the pod and compares its digest.
func (c *caller) copy() {
	c.t.Helper()
	began := time.Now()
	want := strings.TrimSpace(c.run("exec", podName, "--", "cat", "/tmp/sum"))
	ctx, cancel := context.WithTimeout(c.t.Context(), callWithin)
	defer cancel()
	// The command ends when its stdin does: an API server drops what it has not sent yet
	// when a command ends too early, with or without a tunnel.
	cmd := c.command(ctx, "exec", "-i", podName, "--", "sh", "-c", "cat /tmp/big; read over; true")
	in, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	digest := sha256.New()
	n, err := io.CopyN(digest, out, copyBytes)
	if err != nil {
		cancel()
		_ = cmd.Wait() // it was killed
		c.t.Fatalf("copy: %d bytes: %v", n, err)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		c.t.Errorf("copy: %v", err)
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != want {
		c.t.Errorf("copy: the digest is %s, want %s", got, want)
	}
	c.t.Logf("copied 100 MB in %s", time.Since(began).Round(10*time.Millisecond))
}
