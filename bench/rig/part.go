package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
)

// RoleEnv is the environment variable that makes the executable run as a part.
const RoleEnv = "FAIRLEAD_BENCH_PART"

const (
	readyTimeout = 60 * time.Second // long enough for a machine that compiles at the same time
	stopTimeout  = 10 * time.Second // after which a process is killed
	// jobTimeout is longer than any job may take by its own bounds.
	jobTimeout = 3 * time.Minute
)

// Part is a process that is one of the benchmark's own parts. Its methods are
// for one goroutine at a time.
type Part struct {
	Addr string // its address, "" if it does not listen

	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *os.File
	read *json.Decoder
	log  tail
	gone chan struct{} // closed when the process has ended
}

// startPart starts this executable as a part and returns when it is ready.
func startPart(ctx context.Context, role string, args ...string) (*Part, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	p := &Part{name: role, cmd: exec.Command(exe, args...), out: out, read: json.NewDecoder(out), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), RoleEnv+"="+role)
	p.cmd.Stdout, p.cmd.Stderr = w, &p.log
	// It has its own process group: Ctrl-C reaches only the benchmark, which then
	// stops its parts.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	_ = w.Close() // the part has its own
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	go func() {
		_ = p.cmd.Wait() // its output says why it ended
		close(p.gone)
	}()
	var ready parts.Ready
	if err := p.receive(ctx, &ready, readyTimeout); err != nil {
		p.Stop()
		return nil, fmt.Errorf("start %w", err)
	}
	p.Addr = ready.Addr
	return p, nil
}

// PID is the process's id.
func (p *Part) PID() int { return p.cmd.Process.Pid }

// Do makes the part do a job.
func (p *Part) Do(ctx context.Context, j load.Job) (load.Result, error) {
	var r load.Result
	if err := json.NewEncoder(p.in).Encode(j); err != nil {
		return r, p.failed(fmt.Errorf("give a job: %w", err))
	}
	if err := p.receive(ctx, &r, jobTimeout); err != nil {
		return r, err
	}
	if r.Message != "" {
		return r, fmt.Errorf("%s: %s", p.name, r.Message)
	}
	return r, nil
}

// receive decodes the next line of a part. It kills a part that is late, since its
// later answers could not be matched to jobs.
func (p *Part) receive(ctx context.Context, v any, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	if err := p.read.Decode(v); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		} else if errors.Is(err, io.EOF) {
			// Another goroutine reads its output, and has read all of it when gone
			// is closed.
			select {
			case <-p.gone:
			case <-ctx.Done():
			}
			err = errors.New("process ended")
		}
		return p.failed(err)
	}
	return nil
}

// failed adds the end of the process's output to err.
func (p *Part) failed(err error) error {
	if text := p.log.String(); text != "" {
		return fmt.Errorf("%s: %w; it printed:\n%s", p.name, err, text)
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// Stop ends the process and returns when it has ended.
func (p *Part) Stop() {
	_ = p.in.Close() // which tells it to end
	select {
	case <-p.gone:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
	_ = p.out.Close()
}
