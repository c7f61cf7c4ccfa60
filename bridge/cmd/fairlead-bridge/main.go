// Command fairlead-bridge serves clusters that dial in through a broker as
// HTTP: their Kubernetes API for kubectl, and an API of its own for platforms.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func main() { os.Exit(daemon.Main(newCommand(), os.Args[1:])) }

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fairlead-bridge",
		Short: "Reach Kubernetes clusters behind NAT and firewalls over HTTP",
	}
	cmd.AddCommand(runCommand(), tokenCommand(), checkConfigCommand(), explainCommand(), sessionsCommand(), doctorCommand())
	return cmd
}
