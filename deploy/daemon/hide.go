package daemon

import "github.com/spf13/cobra"

// HideInHelp leaves flags of the daemon that a look does not use out of --help: those named,
// and those of every daemon. They are still accepted, since a doctor takes the daemon's
// command line, environment and configuration file, and hidden flags are not read from
// the latter two: that is why they are hidden only while the help is written.
func HideInHelp(cmd *cobra.Command, names ...string) {
	names = append(names, "log-format", "log-level", "ops-pprof", "drain-timeout")
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		for _, name := range names {
			if f := cmd.Flags().Lookup(name); f != nil {
				f.Hidden = true
			}
		}
		cmd.Root().HelpFunc()(cmd, args)
	})
}
