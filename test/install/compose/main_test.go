// Package compose tests docker-compose.yml with a real container engine: it is
// brought up as its document says, used with kubectl, broken in all the ways
// that the document names, and taken down.
//
// Invariants:
//   - The project has a name of its own and ports that were free, so that a
//     system that somebody runs from the same file is not touched.
//   - It is always taken down, volumes and networks included, and what the
//     engine then still has of it is an error.
//   - Nothing is pulled: nginx and Prometheus, which users get from Docker Hub,
//     are put into images from Debian's packages (package substitute). Grafana
//     is in no package; its dashboard is held against the real Prometheus.
package compose

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/test/harness"
)

// mode is as in test/e2e: empty for no whole-system tests, "require" where
// nothing may be missing.
var mode = os.Getenv("FAIRLEAD_E2E")

func TestMain(m *testing.M) {
	// The harness's own goroutine starts children and lives as long as we do.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
}

// missing skips a test for what this machine lacks, or fails it where nothing
// may be missing.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if mode == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func wholeSystem(t *testing.T) {
	t.Helper()
	if mode == "" {
		t.Skip("whole-system tests run with FAIRLEAD_E2E=1, after make images compose-images")
	}
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// engine returns the environment in which docker reaches an engine, one of our
// own where none runs.
func engine(t *testing.T) []string {
	t.Helper()
	d, err := harness.StartDocker(t.Context())
	if err != nil {
		missing(t, "%v", err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	// COMPOSE_FILE and the like would name another project.
	return slices.DeleteFunc(d.Env(), func(s string) bool { return strings.HasPrefix(s, "COMPOSE_") })
}

// output runs a program and returns its stdout; an error has its stderr.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	// What a killed program leaves running must not hold us by its pipes.
	cmd.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = &commandError{name + " " + strings.Join(args, " "), err, strings.TrimSpace(stderr.String())}
	}
	return string(out), err
}

type commandError struct {
	command string
	err     error
	stderr  string
}

func (e *commandError) Error() string { return e.command + ": " + e.err.Error() + ": " + e.stderr }
func (e *commandError) Unwrap() error { return e.err }
