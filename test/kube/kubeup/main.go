package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/binaries"
)

// Exit codes.
const (
	exitOK     = 0 // done, or stopped as asked
	exitFailed = 1 // a step failed or a component ended by itself
	exitUsage  = 2
)

const usage = `usage: kubeup <command> [flags]

  build       build Kubernetes into the cache; prints the folder of the binaries
  node-deps   install the Debian packages that a node needs (root)
  load        import image archives into a running cluster's node
  up          run a cluster until SIGINT or SIGTERM; prints "ready FILE" when it is usable

kubeup <command> -h lists the flags.
`

// errUsage marks an error that was already explained to the user.
var errUsage = errors.New("usage")

func main() {
	// With a handler for SIGPIPE, a write to a dead parent's pipe fails. By
	// default the signal would kill us in the middle of an orderly stop.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, []string, *report) error{
		"build":     runBuild,
		"node-deps": runNodeDeps,
		"load":      runLoad,
		"up":        runUp,
		reapCommand: runReap,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	err := commands[args[0]](ctx, args[1:], &report{start: time.Now()})
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "kubeup: %v\n", err)
	return exitFailed
}

// report prints progress lines with the time since the start.
type report struct {
	mu    sync.Mutex // one line at a time
	start time.Time
}

func (r *report) line(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(os.Stderr, "kubeup %6.1fs  %s\n", time.Since(r.start).Seconds(), s)
}

// parse reads flags and refuses other arguments.
func parse(set *flag.FlagSet, args []string) error {
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage // the flag package has said what is wrong
	}
	if set.NArg() > 0 {
		fmt.Fprintf(set.Output(), "kubeup %s: unexpected argument %q\n", set.Name(), set.Arg(0))
		return errUsage
	}
	return nil
}

// buildFlags are shared by the commands that need the binaries.
type buildFlags struct{ module, cache string }

func (f *buildFlags) register(set *flag.FlagSet) {
	set.StringVar(&f.module, "module", "", "`folder` of the module test/kube (default: found from the current folder upwards)")
	set.StringVar(&f.cache, "cache", "", "`folder` of built binaries (default: .cache in the module)")
}

func (f *buildFlags) ensure(ctx context.Context, r *report) (binaries.Set, error) {
	module := f.module
	if module == "" {
		cwd, err := os.Getwd()
		if err != nil {
			return binaries.Set{}, fmt.Errorf("build: %w", err)
		}
		if module, err = binaries.FindModule(cwd); err != nil {
			return binaries.Set{}, fmt.Errorf("build: %w", err)
		}
	}
	cache := f.cache
	if cache == "" {
		cache = filepath.Join(module, ".cache")
	}
	// The paths get into cluster.json, whose readers may have another working folder.
	cache, err := filepath.Abs(cache)
	if err != nil {
		return binaries.Set{}, fmt.Errorf("build: %w", err)
	}
	set, err := binaries.Ensure(ctx, module, cache, r.line)
	if err == nil && !set.Fresh {
		r.line("Kubernetes " + set.Version + " found in the cache")
	}
	return set, err
}

func runBuild(ctx context.Context, args []string, r *report) error {
	set := flag.NewFlagSet("build", flag.ContinueOnError)
	var f buildFlags
	f.register(set)
	if err := parse(set, args); err != nil {
		return err
	}
	built, err := f.ensure(ctx, r)
	if err != nil {
		return err
	}
	fmt.Println(built.Dir)
	return nil
}
