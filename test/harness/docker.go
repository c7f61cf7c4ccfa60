package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Docker is a container engine for tests: one that was running, or our own.
type Docker struct {
	host    string   // for DOCKER_HOST; "" for an engine that was running
	process *Process // nil for an engine that was running
	dirs    []string // ours, removed by Stop
}

const (
	// dockerAnswersWithin bounds the question whether an engine runs: a socket
	// that systemd listens on starts one first.
	dockerAnswersWithin = 20 * time.Second
	// dockerWithin bounds the start of our own engine, which takes a second or
	// two on an idle machine.
	dockerWithin = time.Minute
	// dockerStopWithin covers the ten seconds that an engine gives containers to
	// stop.
	dockerStopWithin = time.Minute
)

// StartDocker uses the engine that the docker client reaches. If there is none, it
// runs dockerd, provided that dockerd is installed and we are root. That engine has
// its own sockets, images and containers, so that another engine of the machine is
// not touched. Nothing of it is left behind except for the firewall rules and the
// bridge that dockerd makes for its network.
//
// If the machine can have no engine, the error says why.
func StartDocker(ctx context.Context) (*Docker, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, fmt.Errorf("container engine: no docker client: %w", err)
	}
	theirs := &Docker{}
	asked, cancel := context.WithTimeout(ctx, dockerAnswersWithin)
	err := theirs.answers(asked)
	cancel()
	if err == nil {
		return theirs, nil
	}
	dockerd, lookErr := exec.LookPath("dockerd")
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case os.Getenv("DOCKER_HOST") != "":
		return nil, fmt.Errorf("container engine: that of DOCKER_HOST does not answer: %w", err)
	case lookErr != nil:
		return nil, fmt.Errorf("container engine: none runs (%w), and dockerd is not installed (make docker-deps)", err)
	case os.Geteuid() != 0:
		return nil, fmt.Errorf("container engine: none runs (%w), and dockerd needs root", err)
	}
	return runDockerd(ctx, dockerd)
}

func runDockerd(ctx context.Context, dockerd string) (d *Docker, err error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	d = &Docker{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Stop())
		}
	}()
	// Sockets need short paths, images a disk: /run is in memory.
	run, err := d.makeDir("/run", "fairlead-docker-")
	if err != nil {
		return d, err
	}
	cache := filepath.Join(root, ".cache", "tmp")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return d, fmt.Errorf("container engine: %w", err)
	}
	data, err := d.makeDir(cache, "docker-")
	if err != nil {
		return d, err
	}
	// If dockerd has to turn on forwarding itself, it makes the machine drop all
	// other forwarded traffic, that of the pods of test/kube included.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return d, fmt.Errorf("container engine: %w", err)
	}
	d.host = "unix://" + filepath.Join(run, "docker.sock")
	d.process, err = Start(Spec{Name: "dockerd", Path: dockerd, Log: filepath.Join(run, "dockerd.log"), TermWithUs: true, Args: []string{
		"--host", d.host, "--exec-root", filepath.Join(run, "exec"), "--pidfile", filepath.Join(run, "pid"),
		"--data-root", filepath.Join(data, "data"),
	}})
	if err != nil {
		return d, err
	}
	return d, Until(ctx, "dockerd to answer", dockerWithin, d.process, d.answers)
}

func (d *Docker) makeDir(in, pattern string) (string, error) {
	dir, err := os.MkdirTemp(in, pattern)
	if err != nil {
		return "", fmt.Errorf("container engine: %w", err)
	}
	d.dirs = append(d.dirs, dir)
	return dir, nil
}

func (d *Docker) answers(ctx context.Context) error {
	_, err := d.Run(ctx, "version", "--format", "{{.Server.Version}}")
	return err
}

// Host is the address of our own engine for DOCKER_HOST, "" for an engine that was
// running.
func (d *Docker) Host() string { return d.host }

// Env is the environment in which clients, make and docker-compose among them,
// reach the engine. It has no FAIRLEAD_* variable.
func (d *Docker) Env() []string {
	env := childEnv(os.Environ())
	if d.host != "" {
		env = append(env, "DOCKER_HOST="+d.host)
	}
	return env
}

// Done is closed when our own engine has ended. It is nil, and so blocks for ever,
// for an engine that was running.
func (d *Docker) Done() <-chan struct{} {
	if d.process == nil {
		return nil
	}
	return d.process.Done()
}

// Err says how our own engine ended. Only valid after Done.
func (d *Docker) Err() error { return d.process.Err() }

// Run runs the docker client and returns its stdout without the final newline. The
// error contains its stderr.
func (d *Docker) Run(ctx context.Context, args ...string) (string, error) {
	out, _, err := Command{Path: "docker", Args: args, Env: d.Env()}.Run(ctx)
	return strings.TrimSuffix(out, "\n"), err
}

// Stop ends our own engine with all its containers, and removes its files. An
// engine that was running keeps running.
func (d *Docker) Stop() error {
	var errs []error
	if d.process != nil {
		errs = append(errs, d.process.Stop(dockerStopWithin))
	}
	for _, dir := range d.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
