package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-io/fairlead/test/harness"
)

// startWithin bounds the start of a suite, a cold build of Kubernetes included.
// A start that hangs must end with its own error, not with the stack dump of go
// test's time-out.
const startWithin = 30 * time.Minute

var (
	mode = os.Getenv("FAIRLEAD_E2E")
	// skipped says why tests do not run; "" once a suite has started.
	skipped = "whole-system tests run with FAIRLEAD_E2E=1, as 'make test' sets it"
)

// Required reports whether tests must fail, instead of being skipped, if the
// machine lacks something.
func Required() bool { return mode == "require" }

// Need skips t unless the suite has started.
func Need(t *testing.T) {
	t.Helper()
	if skipped != "" {
		t.Skip(skipped)
	}
}

// MissingError says what this machine lacks in order to run a suite.
type MissingError struct{ Err error }

func (e *MissingError) Error() string { return e.Err.Error() }
func (e *MissingError) Unwrap() error { return e.Err }

// Suite is what all tests of a package share. Nothing in it changes once they run.
// Its methods are for the start function of [Main].
type Suite struct {
	Root  string                // of the repository
	Dir   string                // for everything that is written
	Kube  *harness.Kube         // of StartKube
	Admin *kubernetes.Clientset // directly, as the administrator

	name    string
	began   time.Time
	systems []*harness.System
	clients []*http.Client
	others  []func() // to be called at the end
}

// Main runs the tests of m and exits. If whole-system tests are asked for, it calls
// start first. start may return a [MissingError]: tests are then skipped, unless
// they are required.
func Main(m *testing.M, name string, start func(context.Context, *Suite) error) {
	code, err := run(m, name, start)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M, name string, start func(context.Context, *Suite) error) (code int, err error) {
	if mode == "" {
		return m.Run(), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	s := &Suite{name: name, began: time.Now()}
	defer func() { err = errors.Join(err, s.stop(code != 0 || err != nil)) }()
	if err := s.makeDir(); err != nil {
		return 1, err
	}
	if err := start(ctx, s); err != nil {
		if missing, ok := errors.AsType[*MissingError](err); ok && !Required() {
			skipped = missing.Error()
			return m.Run(), nil
		}
		return 1, err
	}
	skipped = ""
	return m.Run(), nil
}

// makeDir makes a folder that Git ignores, for everything that a run leaves if it
// fails. Its paths are short enough for sockets.
func (s *Suite) makeDir() (err error) {
	if s.Root, err = harness.Root(); err != nil {
		return err
	}
	cache := filepath.Join(s.Root, ".cache", "tmp")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	s.Dir, err = os.MkdirTemp(cache, s.name+"-")
	return err
}

// Step reports the progress of the start.
func (s *Suite) Step(what string) {
	fmt.Fprintf(os.Stderr, "%s %9.1fs  %s\n", s.name, time.Since(s.began).Seconds(), what)
}

// StartKube starts the suite's Kubernetes in a folder of the suite, and sets Kube
// and Admin.
func (s *Suite) StartKube(ctx context.Context, o harness.KubeOptions) (err error) {
	o.Dir, o.RequireNode, o.Progress = filepath.Join(s.Dir, "kube"), Required(), os.Stderr
	if s.Kube, err = harness.StartKube(ctx, o); err != nil {
		return err
	}
	admin, client, err := NewClientset(s.Kube.Kubeconfig)
	if err != nil {
		return err
	}
	s.Admin = admin
	s.CloseIdle(client)
	return nil
}

// StartSystem starts a Fairlead that lives as long as the suite, in the suite's
// folder name.
func (s *Suite) StartSystem(ctx context.Context, name string, o harness.SystemOptions) (*harness.System, error) {
	o.Dir, o.Progress = filepath.Join(s.Dir, name), s.Step
	system, err := harness.StartSystem(ctx, o)
	if err != nil {
		return nil, err
	}
	s.systems = append(s.systems, system)
	return system, nil
}

// CloseIdle closes the client's idle connections when the suite ends, so that their
// goroutines do not count as leaks.
func (s *Suite) CloseIdle(c *http.Client) { s.clients = append(s.clients, c) }

// OnStop calls f when the suite ends, after what it started has ended.
func (s *Suite) OnStop(f func()) { s.others = append(s.others, f) }

func (s *Suite) stop(failed bool) error {
	var errs []error
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
	for _, system := range slices.Backward(s.systems) {
		if failed {
			fmt.Fprintln(os.Stderr, system.Logs(15))
		}
		errs = append(errs, system.Stop())
	}
	if s.Kube != nil {
		errs = append(errs, s.Kube.Stop())
	}
	for _, f := range slices.Backward(s.others) {
		f()
	}
	if s.Dir != "" && failed {
		fmt.Fprintf(os.Stderr, "%s: logs are kept in %s\n", s.name, s.Dir)
	} else if s.Dir != "" {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	if !failed {
		// The harness's own goroutine starts children and lives as long as we do.
		errs = append(errs, goleak.Find(goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread")))
	}
	return errors.Join(errs...)
}
