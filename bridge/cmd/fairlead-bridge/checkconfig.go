package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

func checkConfigCommand() *cobra.Command {
	var access string
	var elsewhere bool
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check an access file, and explain each line at fault",
		Long: `Reads an access file as 'fairlead-bridge run --access' does, and says what is wrong
with it, a line each. Nothing is started and no issuer is asked.`,
		Example: "  fairlead-bridge check-config --access access.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if access == "" {
				return daemon.Usagef("--access is required")
			}
			content, err := os.ReadFile(access)
			if err != nil {
				return daemon.Usagef("access: %w", err)
			}
			c, err := policy.Check(content, filepath.Dir(access), elsewhere)
			if err != nil {
				faults := strictyaml.Faults(err)
				for _, f := range faults {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", access, strings.ReplaceAll(f.Error(), "\n", "\n    "))
				}
				return daemon.Usagef("%s cannot be used, for the reasons above", access)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s can be used: %s\n", access, c.Config.Summary())
			return nil
		},
	}
	cmd.Flags().BoolVar(&elsewhere, "elsewhere", false, "do not look at the files and folders that the access file names: they are on another machine")
	cmd.Flags().StringVar(&access, "access", "", "`file` to check")
	return cmd
}
