package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says what to run.
type Spec struct {
	Name string   // its name in messages
	Path string   // the executable
	Args []string // without argv[0]
	Log  string   // file that stdout and stderr are appended to
	// Output, if not nil, gets a copy of stdout and stderr. It is written to by
	// one goroutine at a time.
	Output io.Writer
	// StopOnStdin gives the child a pipe as stdin, whose end tells it to stop in
	// order, instead of a signal that kills it when we die.
	StopOnStdin bool
	// TermWithUs makes the kernel send SIGTERM when we die, instead of SIGKILL: for
	// a child that has to stop children of its own.
	TermWithUs bool
	Dir        string   // working folder; "" for ours
	Env        []string // added to ours, as NAME=value; the last of a name counts
}

// Process is a started child. Its methods may be called from any goroutine.
type Process struct {
	spec  Spec
	cmd   *exec.Cmd
	stdin io.Closer // nil without StopOnStdin
	done  chan struct{}
	err   error // set before done is closed
}

// starter runs every start on one thread that lives as long as the program:
// the kernel sends the parent-death signal when the thread that forked ends, and
// Go may end idle threads at any time.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go startOnOneThread(work)
	return work
})

func startOnOneThread(work <-chan func()) {
	runtime.LockOSThread()
	for f := range work {
		f()
	}
}

// Start runs spec and returns as soon as the program has been executed.
func Start(spec Spec) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(spec.Log), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: log folder: %w", spec.Name, err)
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: log file: %w", spec.Name, err)
	}
	p := &Process{spec: spec, cmd: exec.Command(spec.Path, spec.Args...), done: make(chan struct{})}
	p.cmd.Env = append(childEnv(os.Environ()), spec.Env...)
	p.cmd.Dir = spec.Dir
	p.cmd.SysProcAttr = sysProcAttr(spec.diesBy())
	p.cmd.Stdout = log // the child has its own descriptor then
	if spec.Output != nil {
		p.cmd.Stdout = io.MultiWriter(log, spec.Output)
	}
	p.cmd.Stderr = p.cmd.Stdout // the same writer: os/exec then never calls it twice at once
	if spec.StopOnStdin {
		if p.stdin, err = p.cmd.StdinPipe(); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), log.Close())
		}
	}
	started := make(chan error)
	starter() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), log.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = log.Close() // the child and Wait have written everything by then
		close(p.done)
	}()
	return p, nil
}

// diesBy is the signal that the child gets when we die, 0 for none.
func (s Spec) diesBy() syscall.Signal {
	switch {
	case s.StopOnStdin:
		return 0
	case s.TermWithUs:
		return syscall.SIGTERM
	}
	return syscall.SIGKILL
}

// childEnv is our environment without the variables that configure Fairlead's
// binaries.
func childEnv(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "FAIRLEAD_") {
			out = append(out, e)
		}
	}
	return out
}

// Name is the name that messages use.
func (p *Process) Name() string { return p.spec.Name }

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the file of the child's output.
func (p *Process) Log() string { return p.spec.Log }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is how the child ended, -1 for a signal. Only valid after Done.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Err says how the child ended, with the tail of its log. Only valid after Done.
func (p *Process) Err() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended (%s), its log %s ends with:\n%s", p.spec.Name, how, p.spec.Log, Tail(p.spec.Log, 25))
}

// Stop asks the child to end, kills it if it has not ended within grace, and waits
// for its end. It is an error if the child had to be killed, but not if it was
// already gone.
func (p *Process) Stop(grace time.Duration) error {
	if p.stdin != nil {
		_ = p.stdin.Close() // fails only when the child is gone
	} else if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	return errors.Join(fmt.Errorf("stop %s: still there after %s, its log %s ends with:\n%s",
		p.spec.Name, grace, p.spec.Log, Tail(p.spec.Log, 25)), p.Kill())
}

// Kill ends the child with SIGKILL and waits for its end.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done // SIGKILL cannot be refused
	return nil
}

// StopGroup ends the processes that are left in the child's process group, even if
// the child itself is gone: with SIGTERM, and after grace with SIGKILL, which is an
// error. The group has every process that the child started, unless it left.
func (p *Process) StopGroup(grace time.Duration) error {
	group := -p.PID() // every child leads its own group
	gone := func(context.Context) error {
		if err := syscall.Kill(group, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("processes of group %d are left", -group)
		}
		return nil
	}
	_ = syscall.Kill(group, syscall.SIGTERM) // fails only when all are gone
	err := Until(context.Background(), "the end of what "+p.spec.Name+" started", grace, nil, gone)
	if err != nil {
		_ = syscall.Kill(group, syscall.SIGKILL)
	}
	<-p.done
	return err
}

// Signal sends s. It is not an error if the child is gone.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.spec.Name, err)
	}
	return nil
}
