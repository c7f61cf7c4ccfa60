// Package compose tests docker-compose.yml with a real container engine. The
// project is brought up as its document says, used with kubectl, broken in every
// way that the document names, and taken down.
//
// Invariants:
//   - The project has its own name and free ports, so that another system from
//     the same file is not touched.
//   - It is always taken down, volumes and networks included. Anything that the
//     engine still has of it afterwards is an error.
//   - Nothing is pulled: nginx and Prometheus, which users get from Docker Hub,
//     are put into images from Debian's packages (package substitute). Debian has
//     no Grafana; the dashboard's queries are tested with the real Prometheus.
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

// mode is as in test/e2e: empty for no whole-system tests; with "require" a test
// fails instead of being skipped.
var mode = os.Getenv("FAIRLEAD_E2E")

func TestMain(m *testing.M) {
	// The harness's own goroutine starts children and lives as long as we do.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
}

// missing skips a test because this machine lacks something, or fails it in mode
// "require".
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

// engine returns the environment in which docker reaches an engine. It starts
// one if none runs.
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

// output runs a program and returns its stdout. The error contains its stderr.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	// Children that a killed program leaves behind must not keep us waiting for
	// its pipes.
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
