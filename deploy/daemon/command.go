package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes of every Fairlead binary.
const (
	ExitOK      = 0 // the command succeeded, or the process stopped as asked
	ExitFailure = 1 // failed while running
	ExitUsage   = 2 // the command line, environment or configuration is wrong
)

// UsageError marks a mistake in the command line or in the flags' variables: the
// process exits with [ExitUsage], and points to the command's help.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ConfigError marks a fault in what the command line names, such as a file that is
// missing or whose content is wrong: the process exits with [ExitUsage], and does not
// point to the help, which cannot tell what is wrong.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Configf returns a [ConfigError].
func Configf(format string, args ...any) error {
	return &ConfigError{fmt.Errorf(format, args...)}
}

// Exit is the error of a command whose output has said everything: nothing more is
// printed, and the process exits with the code.
type Exit struct{ Code int }

func (e *Exit) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Usagef returns a [UsageError].
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// Main runs root with the command line args (without the program's name) and
// returns the exit code. It adds the command version, shell completion, the
// binding of flags to environment and file and, for a program with an ops
// listener, the command healthcheck. It prints an error once.
func Main(root *cobra.Command, args []string) int {
	return mainContext(context.Background(), root, args)
}

func mainContext(ctx context.Context, root *cobra.Command, args []string) int {
	tuneGC()
	started := prepare(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if e, ok := errors.AsType[*Exit](err); ok {
		return e.Code
	}
	out := root.ErrOrStderr()
	fmt.Fprintf(out, "%s: %s\n", root.Name(), strings.TrimSpace(err.Error()))
	if _, content := errors.AsType[*ConfigError](err); content {
		return ExitUsage
	}
	if _, usage := errors.AsType[*UsageError](err); usage || !*started {
		fmt.Fprintf(out, "Run '%s --help' for usage.\n", cmd.CommandPath())
		return ExitUsage
	}
	return ExitFailure
}

// prepare completes the tree of commands. After the execution, started says
// whether a command's own code was reached.
func prepare(root *cobra.Command) (started *bool) {
	started = new(bool)
	root.SilenceErrors = true
	root.SilenceUsage = true
	addVersion(root)
	if check := healthcheckCommand(root); check != nil {
		root.AddCommand(check)
	}
	root.InitDefaultCompletionCmd() // before refuseUnknown, since it has subcommands
	forEach(root, refuseUnknown)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Name() == cobra.ShellCompRequestCmd { // a shell asks for completions
			forEach(root, unquoteUsage)
		}
		if err := takeFromProcess1(cmd); err != nil {
			return err
		}
		return bind(cmd.Flags())
	}

	help, usage := root.HelpFunc(), root.UsageFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		describeEnv(cmd)
		help(cmd, args)
	})
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		describeEnv(cmd)
		return usage(cmd)
	})
	forEach(root, func(cmd *cobra.Command) {
		run := cmd.RunE
		if run == nil {
			return
		}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	})
	return started
}

// unquoteUsage removes the back-ticks from the flags' descriptions. They mark the
// name of a flag's value for help, and cobra passes them on to a completing
// shell unchanged.
func unquoteUsage(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
}

// refuseUnknown makes a command that only has subcommands refuse an unknown one.
// By default cobra prints help and reports success; it still does so for a
// command without arguments.
func refuseUnknown(cmd *cobra.Command) {
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if cmd.SuggestionsMinimumDistance <= 0 {
			cmd.SuggestionsMinimumDistance = 2 // as cobra has it for the root
		}
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = ", did you mean " + strings.Join(near, " or ") + "?"
		}
		return Usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// OneArg makes a command take exactly one argument; what says which, such as "the ID of a
// session".
func OneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return Usagef("give %s", what)
		case 1:
			return nil
		}
		return Usagef("give %s and nothing else: %q is too much", what, args[1])
	}
}

func forEach(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		forEach(c, f)
	}
}

// describeEnv puts the variable's name into the usage line of each flag.
func describeEnv(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		env := " [$" + EnvName(f.Name) + "]"
		if bindable(f) && !strings.HasSuffix(f.Usage, env) {
			f.Usage += env
		}
	})
}
