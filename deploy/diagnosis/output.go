package diagnosis

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Output are the flags that the doctor commands share.
type Output struct {
	Format  string
	ASCII   bool
	Timeout time.Duration
}

// defaultTimeout is that of one attempt of an agent, and a little for what follows.
const defaultTimeout = 12 * time.Second

// Steps returns the part of a look's time-out that its steps up to the NATS protocol may
// take. A step that takes too long then fails by its own time-out, and not because the
// whole look is over.
func Steps(timeout time.Duration) time.Duration { return timeout * 5 / 6 }

// maxTimeout keeps a mistake from lasting for hours.
const maxTimeout = 5 * time.Minute

// Flags declares the flags.
func (o *Output) Flags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.Format, "output", "o", "table", "`format` of the report: table or json")
	fs.BoolVar(&o.ASCII, "ascii", false, "no characters in the table that are not ASCII (default: as LANG says)")
	fs.DurationVar(&o.Timeout, "timeout", defaultTimeout, "bound for the look at each server")
}

// Validate checks the flags.
func (o *Output) Validate() error {
	if o.Format != "table" && o.Format != "json" {
		return daemon.Usagef("output: %q: use table or json", o.Format)
	}
	return daemon.CheckDuration("timeout", o.Timeout, time.Second, maxTimeout)
}

// Write writes a report. Its exit code comes back as a [daemon.Exit].
func (o *Output) Write(w io.Writer, r *Report) error {
	if err := o.write(w, r); err != nil {
		return err
	}
	if r.ExitCode != 0 {
		return &daemon.Exit{Code: r.ExitCode}
	}
	return nil
}

func (o *Output) write(w io.Writer, r *Report) error {
	if o.Format == "json" {
		return r.WriteJSON(w)
	}
	style := StyleFor(w, os.Getenv)
	style.ASCII = style.ASCII || o.ASCII
	return r.WriteTable(w, style)
}

// CodesHelp is a text about the exit codes of hops, for --help.
func CodesHelp(hops ...cause.Hop) string {
	var parts []string
	for _, h := range hops {
		parts = append(parts, fmt.Sprintf("%d %s", Code(h), h))
	}
	return "Exit codes: 0 everything works, 1 the command itself failed, 2 wrong usage, and for the hop\nthat fails: " +
		strings.Join(parts, ", ") + "."
}
