package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// callWithin bounds a kubectl call that is to end by itself. A call takes half
// a second of CPU here, and tests share two cores with a Kubernetes.
const callWithin = 3 * time.Minute

// result is how a kubectl call ended.
type result struct {
	stdout, stderr string
	code           int
}

// call is a kubectl call that has not started.
type call struct {
	side  side
	args  []string
	env   []string
	stdin io.Reader
	hosts string // a file to see instead of /etc/hosts; "" for the system's
}

func (c call) with(env ...string) call     { c.env = append(c.env, env...); return c }
func (c call) resolving(hosts string) call { c.hosts = hosts; return c }
func (c call) input(r io.Reader) call      { c.stdin = r; return c }
func (sp *space) on(s side, a ...string) call {
	return call{side: s, args: append([]string{"-n", sp.name}, a...)}
}

// command is the call as a process. Each side has its own discovery cache, since
// otherwise one side would use what the other fetched.
func (s *suite) command(ctx context.Context, c call) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.kube.Kubectl, c.args...)
	if c.hosts != "" {
		args := append([]string{"--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, c.hosts, s.kube.Kubectl}, c.args...)
		cmd = exec.CommandContext(ctx, "unshare", args...)
	}
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.side.kubeconfig,
		"KUBECACHEDIR="+filepath.Join(s.dir, "kubectl-"+c.side.name), "HOME="+s.dir)
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = c.stdin
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// do runs a call to its end.
func (sp *space) do(c call) result {
	sp.t.Helper()
	ctx, cancel := context.WithTimeout(sp.t.Context(), callWithin)
	defer cancel()
	cmd := sp.command(ctx, c)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		sp.t.Fatalf("kubectl %s (%s): %v", strings.Join(c.args, " "), c.side.name, err)
	}
	if ctx.Err() != nil {
		sp.t.Fatalf("kubectl %s (%s): not done within %s\nstdout: %s\nstderr: %s",
			strings.Join(c.args, " "), c.side.name, callWithin, clip(stdout.String()), clip(stderr.String()))
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
}

// must runs a call that must succeed, and returns its stdout.
func (sp *space) must(c call) string {
	sp.t.Helper()
	r := sp.do(c)
	if r.code != 0 {
		sp.t.Fatalf("kubectl %s (%s): exit code %d\nstdout: %s\nstderr: %s",
			strings.Join(c.args, " "), c.side.name, r.code, clip(r.stdout), clip(r.stderr))
	}
	return r.stdout
}

// kubectl runs a call through the tunnel that must succeed.
func (sp *space) kubectl(args ...string) string {
	sp.t.Helper()
	return sp.must(sp.on(sp.tunnel, args...))
}

// same runs a call on both sides and expects the same exit code, stdout and
// stderr, except for ages and the server's URL.
func (sp *space) same(args ...string) result {
	sp.t.Helper()
	// The direct call goes first: what a call creates as a side effect (a
	// cache) then exists for both.
	direct := sp.do(sp.on(sp.direct, args...))
	tunnel := sp.do(sp.on(sp.tunnel, args...))
	sp.compare(args, direct, tunnel)
	return tunnel
}

func (sp *space) compare(args []string, direct, tunnel result) {
	sp.t.Helper()
	if direct.code != tunnel.code || sp.settle(direct.stdout) != sp.settle(tunnel.stdout) ||
		sp.settle(direct.stderr) != sp.settle(tunnel.stderr) {
		sp.t.Errorf("kubectl %s differs\ndirect: exit code %d\n%s%s\ntunnel: exit code %d\n%s%s", strings.Join(args, " "),
			direct.code, clip(direct.stdout), clip(direct.stderr), tunnel.code, clip(tunnel.stdout), clip(tunnel.stderr))
	}
}

var (
	// A table's age, which may change between two calls.
	age = regexp.MustCompile(`\b\d+[smhdy](\d+[smhd])?\b`)
	// klog's header, with time and pid.
	klog = regexp.MustCompile(`(?m)^[IWEF]\d{4} [0-9:.]+ +\d+ `)
	// The container runtime's id of an exec.
	execID = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	// The lines in which diff names the temporary files that kubectl gives it.
	diffed = regexp.MustCompile(`(?m)^(diff|---|\+\+\+) .*\n`)
	// What the bridge adds to a refusal of the cluster's RBAC.
	rbacWarning = regexp.MustCompile(`(?m)^Warning: Kubernetes RBAC of cluster "[^"]+" refused this request\. It was executed as .*\n`)
	// kubectl pads columns to their widest cell.
	blanks = regexp.MustCompile(` {2,}`)
)

// settle replaces the parts that may differ between two correct calls.
func (sp *space) settle(s string) string {
	s = rbacWarning.ReplaceAllString(s, "")
	for _, side := range []side{sp.direct, sp.tunnel} {
		s = strings.ReplaceAll(s, side.server, "SERVER")
		if _, host, ok := strings.Cut(side.server, "://"); ok {
			host, _, _ = strings.Cut(host, "/")
			s = strings.ReplaceAll(s, host, "HOST")
		}
	}
	s = klog.ReplaceAllString(s, "KLOG ")
	s = diffed.ReplaceAllString(s, "")
	s = execID.ReplaceAllString(s, "ID")
	s = age.ReplaceAllString(s, "AGE")
	return blanks.ReplaceAllString(s, "  ")
}

func clip(s string) string {
	const most = 3000
	if len(s) > most {
		return s[:most/2] + "\n...\n" + s[len(s)-most/2:]
	}
	return s
}

// running is a kubectl that runs until it is told to end.
type running struct {
	sp     *space
	args   []string
	cmd    *exec.Cmd
	kill   context.CancelFunc
	stdin  io.WriteCloser // nil if the call brought its own
	stdout *output
	stderr *output
	done   chan struct{}
}

// start starts a call that keeps running. It is killed when the test ends.
func (sp *space) start(c call) *running {
	sp.t.Helper()
	r := sp.prepare(c)
	r.cmd.Stdout, r.cmd.Stderr = r.stdout, r.stderr
	if c.stdin == nil {
		var err error
		if r.stdin, err = r.cmd.StdinPipe(); err != nil {
			sp.t.Fatal(err)
		}
	}
	r.launch()
	return r
}

func (sp *space) prepare(c call) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{sp: sp, args: c.args, cmd: sp.command(ctx, c), kill: cancel,
		stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	r.cmd.WaitDelay = time.Second
	return r
}

func (r *running) launch() {
	r.sp.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.kill()
		r.sp.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // the exit code tells
		close(r.done)
	}()
	r.sp.t.Cleanup(func() { r.kill(); <-r.done })
}

// expect waits until stdout contains text.
func (r *running) expect(text string) {
	r.sp.t.Helper()
	if !r.stdout.wait(text, time.Minute, r.done) {
		r.sp.t.Fatalf("kubectl %s: no %q on stdout\nstdout: %s\nstderr: %s",
			strings.Join(r.args, " "), text, clip(r.stdout.String()), clip(r.stderr.String()))
	}
}

// say writes to stdin.
func (r *running) say(text string) {
	r.sp.t.Helper()
	if _, err := io.WriteString(r.stdin, text); err != nil {
		r.sp.t.Fatalf("kubectl %s: write to stdin: %v", strings.Join(r.args, " "), err)
	}
}

// interrupt presses Ctrl-C and returns the time at which it did.
func (r *running) interrupt() time.Time {
	r.sp.t.Helper()
	at := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		r.sp.t.Fatalf("kubectl %s: interrupt: %v", strings.Join(r.args, " "), err)
	}
	return at
}

// wait returns the exit code when the call has ended by itself.
func (r *running) wait(within time.Duration) int {
	r.sp.t.Helper()
	select {
	case <-r.done:
	case <-time.After(within):
		r.sp.t.Fatalf("kubectl %s: still running after %s\nstdout: %s\nstderr: %s",
			strings.Join(r.args, " "), within, clip(r.stdout.String()), clip(r.stderr.String()))
	}
	return r.cmd.ProcessState.ExitCode()
}

// output collects what a process prints, and lets others wait for a part of it.
type output struct {
	mu      sync.Mutex // guards all below
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced at each write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait reports whether text appeared in time; it gives up when done is closed.
func (o *output) wait(text string, within time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.buf.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-changed:
		case <-done:
			return strings.Contains(o.String(), text)
		case <-timer.C:
			return false
		}
	}
}
