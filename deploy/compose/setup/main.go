// Command setup prepares the volumes of docker-compose.yml. It makes the keys once,
// with 'fairlead-broker init', and gives each service a copy of only the files that it
// needs, since a volume can only be mounted as a whole. Its image also has
// fairlead-broker. It needs only the standard library.
//
//	setup init [flags of fairlead-broker init]   make the keys that are missing, hand out copies
//	setup kubeconfig URL                         print the kubeconfig that the bridge at URL gives
//	setup creds CLUSTER [TENANT]                 print a cluster's credentials
//	setup ca                                     print the CA of the certificates
//
// Every command can be repeated: init hands out files that have changed. The last two
// print the files for an agent elsewhere, since the image has no shell.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// root is the folder in which the volumes are mounted.
const root = "/volumes"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) > 0 && args[0] == "init":
		keys := filepath.Join(root, "keys")
		if err := makeKeys(ctx, keys, brokerInit(args[1:])); err != nil {
			return err
		}
		if err := addStore(ctx, filepath.Join(keys, made)); err != nil {
			return err
		}
		return handOut(filepath.Join(keys, made), root, os.Stderr)
	case len(args) == 2 && args[0] == "kubeconfig":
		return printKubeconfig(ctx, args[1], filepath.Join(root, "keys", made), out)
	case len(args) == 2 && args[0] == "creds":
		return printCreds(filepath.Join(root, "keys", made), defaultTenant, args[1], out)
	case len(args) == 3 && args[0] == "creds":
		return printCreds(filepath.Join(root, "keys", made), args[2], args[1], out)
	case len(args) == 1 && args[0] == "ca":
		return printCA(filepath.Join(root, "keys", made), out)
	}
	return errors.New("usage: setup init [flags of fairlead-broker init] | kubeconfig URL | creds CLUSTER [TENANT] | ca")
}

// made is the folder, in the volume of keys, that exists once it is complete.
const made = "fairlead"

// makeKeys calls initialize for a folder and then gives the folder its name, so that a
// run that is killed in between leaves nothing that looks complete.
func makeKeys(ctx context.Context, keys string, initialize func(ctx context.Context, dir string) error) error {
	final, unfinished := filepath.Join(keys, made), filepath.Join(keys, made+".unfinished")
	if _, err := os.Stat(final); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for keys: %w", err)
	}
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("clear an unfinished run: %w", err)
	}
	if err := initialize(ctx, unfinished); err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	if err := os.Rename(unfinished, final); err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	return nil
}

// addStore makes the account for what bridges share in a folder that an earlier release
// made. Where there is one it changes nothing.
func addStore(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "/fairlead-broker", "store", "add", "--no-push", "--dir", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("account of the store: %w", err)
	}
	return nil
}

// brokerInit runs fairlead-broker init. It drops the output, which names files by
// paths that will not exist.
func brokerInit(flags []string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		cmd := exec.CommandContext(ctx, "/fairlead-broker", append([]string{"init", "--dir", dir}, flags...)...)
		cmd.Stderr = os.Stderr
		return cmd.Run()
	}
}
