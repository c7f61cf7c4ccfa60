package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/test/harness"
)

var (
	mode = os.Getenv("FAIRLEAD_E2E")
	// engine is shared by the tests. If there is none, it is nil and noEngine has the
	// reason. Neither changes once the tests run.
	engine   *harness.Docker
	noEngine error
)

// names are the names of the images and of the binaries in them.
var names = []string{"fairlead-agent", "fairlead-broker", "fairlead-bridge"}

func image(name string) string { return "ghcr.io/fairlead-io/" + name + ":dev" }

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if mode == "" {
		return m.Run(), nil
	}
	// Two cold cross-compilations on slow cores.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if engine, noEngine = harness.StartDocker(ctx); noEngine != nil {
		return m.Run(), nil
	}
	defer func() {
		err = errors.Join(err, engine.Stop())
		if code == 0 && err == nil {
			// The harness's own goroutine starts children and lives as long as we do.
			err = goleak.Find(goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
		}
	}()
	if err := harness.Make(ctx, engine.Env(), "images"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// needEngine skips the test if there is no engine.
func needEngine(t *testing.T) {
	t.Helper()
	switch {
	case mode == "":
		t.Skip("runs with FAIRLEAD_E2E=1, as make test-install sets it")
	case noEngine != nil && mode == "require":
		t.Fatal(noEngine)
	case noEngine != nil:
		t.Skip(noEngine)
	}
}

// docker runs the client, and fails the test if the client fails.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := engine.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var count atomic.Int64

// uniqueName returns a name for a container, volume or network, which is removed
// when the test ends.
func uniqueName(t *testing.T, remove ...string) string {
	t.Helper()
	name := "fairlead-images-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(count.Add(1), 10)
	t.Cleanup(func() {
		if t.Failed() && remove[0] == "rm" {
			logs, err := engine.Run(context.WithoutCancel(t.Context()), "logs", "--tail", "20", name)
			t.Logf("%s: %v\n%s", name, err, logs)
		}
		if _, err := engine.Run(context.WithoutCancel(t.Context()), append(remove, name)...); err != nil && !strings.Contains(err.Error(), "No such") {
			t.Error(err)
		}
	})
	return name
}

func volume(t *testing.T) string {
	t.Helper()
	name := uniqueName(t, "volume", "rm")
	docker(t, "volume", "create", name)
	return name
}

// network makes a network without a way to the outside.
func network(t *testing.T) string {
	t.Helper()
	name := uniqueName(t, "network", "rm")
	docker(t, "network", "create", "--internal", name)
	return name
}

// lockedDown are the flags of a container with the restrictions of Kubernetes'
// Pod Security "restricted" and a read-only file system.
func lockedDown() []string {
	return []string{"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65532"}
}

// start runs an image, locked down, in the background.
func start(t *testing.T, name string, flags []string, args ...string) (container string) {
	t.Helper()
	container = uniqueName(t, "rm", "--force")
	all := append([]string{"run", "--detach", "--name", container}, lockedDown()...)
	all = append(append(all, flags...), image(name))
	docker(t, append(all, args...)...)
	return container
}
