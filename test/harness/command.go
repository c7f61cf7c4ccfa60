package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// commandWithin bounds a program that is run to its end: more than the longest
	// wait that a test asks of kubectl, helm or docker (3 minutes), and little
	// beside the time-out of a package, whose report drowns in stacks and names no
	// program.
	commandWithin = 6 * time.Minute
	// pipesWithin is how long the output of a program that has ended, or was
	// killed, may be held open by its children.
	pipesWithin = 10 * time.Second
	// downloadWithin bounds one attempt to download a module. The go command has
	// no bound of its own for a proxy that has stopped to answer.
	downloadWithin = 2 * time.Minute
	downloadTries  = 3
)

// Command is a program that is run to its end.
type Command struct {
	Path  string
	Args  []string
	Env   []string // nil: that of this process
	Stdin string
}

// Run runs the program and returns what it printed, without a bound on the length.
// The program is killed when ctx is done, and after 6 minutes. The error names the
// command and contains its stderr.
func (c Command) Run(ctx context.Context) (stdout, stderr string, err error) {
	return c.within(ctx, commandWithin)
}

func (c Command) within(ctx context.Context, bound time.Duration) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("it did not end within %s", bound))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env, cmd.Stdin, cmd.WaitDelay = c.Env, strings.NewReader(c.Stdin), pipesWithin
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(c.Path), strings.Join(c.Args, " "), err, strings.TrimSpace(said.String()))
		return out.String(), said.String(), err
	}
	return out.String(), said.String(), nil
}

// Module is a module in the go command's cache.
type Module struct {
	Dir string // of its files, which must not be changed
	Sum string // as in a go.sum
}

// DownloadModule downloads a module, path@version, unless it is in the cache.
func DownloadModule(ctx context.Context, module string) (Module, error) {
	var m Module
	download := Command{Path: "go", Args: []string{"mod", "download", "-json", module}}
	var errs []error
	for range downloadTries {
		out, _, err := download.within(ctx, downloadWithin)
		if err == nil {
			err = json.Unmarshal([]byte(out), &m)
		}
		if err == nil {
			return m, nil
		}
		// With -json, the reason stands in the output.
		errs = append(errs, fmt.Errorf("%w: %s", err, out))
	}
	return m, errors.Join(errs...)
}
