package daemon

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandLine1 is the command line of the process with the id 1, as Linux shows it.
var commandLine1 = "/proc/1/cmdline"

const process1Annotation = "fairlead_process_1"

// LikeProcess1 says that a command looks at what the daemon of the same program does:
// flags that its own command line does not give are taken from that of the process with
// the id 1, if it is that daemon. In a container it is, so that 'kubectl exec' needs no
// arguments. Environment and configuration file are those of the container anyway, and
// count less, as they do for the daemon.
func LikeProcess1(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = make(map[string]string)
	}
	cmd.Annotations[process1Annotation] = "true"
}

// takeFromProcess1 does what [LikeProcess1] says.
func takeFromProcess1(cmd *cobra.Command) error {
	if cmd.Annotations[process1Annotation] == "" || os.Getpid() == 1 {
		return nil
	}
	b, err := os.ReadFile(commandLine1)
	if err != nil {
		return nil // another system, or another user's process: not a container of ours
	}
	name, rest, _ := strings.Cut(strings.TrimSuffix(string(b), "\x00"), "\x00")
	if filepath.Base(name) != cmd.Root().Name() {
		return nil
	}
	var args []string
	if rest != "" {
		args = strings.Split(rest, "\x00")
	}
	return setFrom(cmd.Flags(), args)
}

// given collects the values of a flag instead of taking them.
type given struct {
	pflag.Value
	values []string
}

// Set implements [pflag.Value].
func (g *given) Set(v string) error {
	g.values = append(g.values, v)
	return nil
}

// setFrom sets the flags that nothing has set yet from a daemon's command line. One with
// a command on it is not a daemon's.
func setFrom(fs *pflag.FlagSet, args []string) error {
	other := pflag.NewFlagSet("process 1", pflag.ContinueOnError)
	other.ParseErrorsAllowlist.UnknownFlags = true
	other.Usage = func() {}
	fs.VisitAll(func(f *pflag.Flag) {
		g := *f
		g.Value, g.Changed = &given{Value: f.Value}, false
		other.AddFlag(&g)
	})
	if err := other.Parse(args); err != nil || other.NArg() > 0 {
		return nil // it runs, so it is another command line than it seems
	}
	var err error
	other.Visit(func(g *pflag.Flag) {
		f := fs.Lookup(g.Name)
		if f.Changed || !bindable(f) {
			return
		}
		for _, v := range g.Value.(*given).values {
			if setErr := f.Value.Set(v); setErr != nil {
				err = Usagef("--%s of process 1: not a valid %s", f.Name, f.Value.Type())
			}
		}
		f.Changed = true
	})
	return err
}
