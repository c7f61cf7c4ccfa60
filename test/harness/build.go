package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Root returns the folder of the repository: the closest one, from the working
// directory upwards, that holds Fairlead's go.mod.
func Root() (string, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := cwd; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module github.com/fairlead-io/fairlead\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no go.mod of Fairlead in %s or above", cwd)
		}
	}
}

// Binaries are the paths of built programs.
type Binaries struct {
	Broker, Bridge, Agent string
	Plugin                string // kubectl-fairlead, in a folder for PATH
}

// Build builds the binaries into a git-ignored folder of the repository
// and returns their paths. It runs 'make build', which sets the version. With race
// they have the race detector, which makes them several times slower and larger,
// so that they are of no use for measurements. With Go's build cache a second build
// takes a second.
func Build(ctx context.Context, race bool) (Binaries, error) {
	root, err := Root()
	if err != nil {
		return Binaries{}, err
	}
	kind, args := "plain", []string{"build"} // built as for a release
	if race {
		kind, args = "race", []string{"build", "BUILD_FLAGS=-race", "CGO=1"}
	}
	dir := filepath.Join(root, ".cache", "bin", kind)
	if err := Make(ctx, os.Environ(), append(args, "OUT="+dir)...); err != nil {
		return Binaries{}, err
	}
	bin := func(name string) string { return filepath.Join(dir, name) }
	return Binaries{Broker: bin("fairlead-broker"), Bridge: bin("fairlead-bridge"), Agent: bin("fairlead-agent"), Plugin: bin("kubectl-fairlead")}, nil
}

// Make runs make in the repository. The error contains its output.
func Make(ctx context.Context, env []string, args ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "make", append([]string{"--no-print-directory"}, args...)...)
	cmd.Dir, cmd.Env = root, withoutMake(env)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("make %s: %w:\n%s", strings.Join(args, " "), err, text), ctx.Err())
	}
	return nil
}

// withoutMake removes the variables that a parent make sets from env: its options
// and its job server are not meant for the make that we run.
func withoutMake(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return name == "MAKEFLAGS" || name == "MFLAGS" || name == "MAKEOVERRIDES" || name == "MAKELEVEL"
	})
}

// buildKubeup builds the program that runs a Kubernetes, from its own module.
func buildKubeup(ctx context.Context, root string) (string, error) {
	dir := filepath.Join(root, ".cache", "bin")
	path := filepath.Join(dir, "kubeup")
	return path, goCommand(ctx, kubeModule(root), dir, "CGO_ENABLED=0", "build", "-o", path, "./kubeup")
}

func kubeModule(root string) string { return filepath.Join(root, "test", "kube") }

// goCommand runs go in a folder, with one variable set, and makes the folder
// that it writes to.
func goCommand(ctx context.Context, in, out, env string, args ...string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = in, append(os.Environ(), env)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("go %s: %w:\n%s", strings.Join(args, " "), err, text), ctx.Err())
	}
	return nil
}
