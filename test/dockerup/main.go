// Command dockerup runs a command while a container engine runs:
//
//	dockerup make images test-install
//
// If an engine already runs, dockerup uses it. Otherwise it runs dockerd as root,
// with its own sockets, images and containers, sets DOCKER_HOST for the command, and
// removes all of it afterwards. Without a command it prints the address and waits
// for SIGINT or SIGTERM.
//
// It exits with the command's exit code, and with 1 if there is no engine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/fairlead-io/fairlead/test/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dockerup:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(ctx context.Context, command []string) (code int, err error) {
	engine, err := harness.StartDocker(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, engine.Stop()) }()
	if len(command) == 0 {
		return 0, stay(ctx, engine)
	}
	// The command gets the terminal's signals too, and decides when to end.
	cmd := exec.Command(command[0], command[1:]...)
	if host := engine.Host(); host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil // -1 for a signal
	}
	return 0, err
}

func stay(ctx context.Context, engine *harness.Docker) error {
	if engine.Host() == "" {
		fmt.Println("a container engine runs already")
		return nil
	}
	fmt.Println("export DOCKER_HOST=" + engine.Host())
	select {
	case <-ctx.Done():
		return nil
	case <-engine.Done():
		return engine.Err()
	}
}
