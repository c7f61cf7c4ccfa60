package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
)

func (p *plugin) whoamiCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who the bridge takes you for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			me, _, err := ask(cmd.Context(), p, whoami)
			if err != nil {
				return err
			}
			if output == "json" {
				return p.printJSON(me)
			}
			return p.printCaller(*me)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`json`, as the bridge answers (default: a table)")
	return cmd
}

func (p *plugin) printCaller(me api.Caller) error {
	w := tabwriter.NewWriter(p.stdout, 0, 8, 3, ' ', 0)
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", what, signin.Printable(value))
		}
	}
	row("Name", me.Name)
	row("Groups", strings.Join(me.Groups, ", "))
	row("UID", me.UID)
	row("Method", me.Method)
	row("Issuer", me.Issuer)
	if me.Expires != nil {
		row("Expires", me.Expires.Local().Format(time.DateTime))
	}
	return w.Flush()
}
