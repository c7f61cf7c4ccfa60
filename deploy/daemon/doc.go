// Package daemon holds the process code that Fairlead's three binaries share:
// configuration, logging, the ops listener, the version, the lifetime of components
// and exit codes. A main only declares flags, wires components and runs them.
//
// # Configuration
//
// Every flag of every command can be given in three places; the first that
// gives it wins:
//
//  1. the command line: --drain-timeout=20s
//  2. the environment: FAIRLEAD_DRAIN_TIMEOUT=20s (an empty variable counts as
//     not set; a list is written with commas)
//  3. the YAML file that --config or FAIRLEAD_CONFIG names, on commands that
//     have that flag ([ConfigFlag]): "drain-timeout: 20s"
//
// A file is one mapping of flag names to scalars, or to lists for flags that
// can be repeated. A key that is not a flag of the command is refused, with the
// nearest flag as a suggestion. Relative paths in a file are relative to the
// file's folder if the flag was declared a path ([MarkPath]); on the command
// line and in the environment they are relative to the working directory.
//
// A command that looks at what the daemon in the same container does takes the
// daemon's command line too, behind its own ([LikeProcess1]).
//
// Variables that match no flag are ignored, since Kubernetes puts some of its
// own into a pod: FAIRLEAD_BRIDGE_SERVICE_HOST and FAIRLEAD_BRIDGE_PORT where
// there is a Service fairlead-bridge. For the same reason, no flag may be named
// like "<service>-port" or "<service>-service-host".
//
// # Exit codes
//
// [ExitOK], [ExitFailure] and [ExitUsage], and for commands with codes of their own
// those of [Exit]. An error is printed once, by [Main], to standard error.
//
// # A main
//
//	func main() { os.Exit(daemon.Main(newCommand(), os.Args[1:])) }
//
//	func newCommand() *cobra.Command {
//		var o options
//		cmd := &cobra.Command{
//			Use:     "fairlead-example",
//			Short:   "Do something forever",
//			Example: "  fairlead-example --server tls://broker:4222",
//			RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.ErrOrStderr()) },
//		}
//		f := cmd.Flags()
//		f.StringVar(&o.creds, "creds", "", "`file` with the NATS credentials")
//		daemon.MarkPath(f, "creds")
//		o.log.Flags(f)
//		o.ops.Flags(f, ":8080")
//		daemon.ConfigFlag(f)
//		return cmd // [Main] adds the commands version, healthcheck and completion
//	}
//
//	func (o *options) run(ctx context.Context, stderr io.Writer) error {
//		if o.creds == "" {
//			return daemon.Usagef("--creds is required")
//		}
//		log, err := o.log.New(stderr)
//		if err != nil {
//			return err
//		}
//		ops, err := daemon.NewOps(o.ops, log)
//		if err != nil {
//			return err
//		}
//		ops.Ready("broker", func(context.Context) (string, error) { return "connected", nil })
//		return daemon.Run(ctx, log, o.drain,
//			ops.Component(), // stops last
//			daemon.Component{Name: "work", Run: work, Drain: drain},
//		)
//	}
//
// # Invariants
//
//   - Only [Main] decides the exit code. Nothing here calls os.Exit.
//   - Goroutines: [Run] owns one for each component, and one for each drain. It
//     ends all of them before it returns, except those of components that exceeded
//     their bound, which the error names. [Ops] owns its HTTP server's. Nothing
//     else starts any.
//   - Values of flags and variables are never logged. An error shows a value
//     only if it could not be parsed.
package daemon
