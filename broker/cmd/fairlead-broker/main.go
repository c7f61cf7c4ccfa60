// Fairlead-broker runs the NATS nodes that agents and bridges meet on, and
// makes and looks after the directory that a first installation runs from.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func main() { os.Exit(daemon.Main(newCommand(), os.Args[1:])) }

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fairlead-broker",
		Short: "The NATS broker that Fairlead's agents and bridges meet on",
		Long: `The NATS broker that Fairlead's agents and bridges meet on.

For a first run, 'init' makes a directory with keys, certificates, credentials
and configuration, and 'run' starts a broker from it. In production nsc makes
and keeps the keys, and 'run --nats-config' takes the file that it writes.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(initCommand(), runCommand(), checkCommand(), natsConfigCommand(), tenantCommand(), clusterCommand(), storeCommand(), pushCommand(), certCommand())
	return cmd
}
