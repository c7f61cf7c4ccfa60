package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
)

func (p *plugin) clustersCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "clusters",
		Short: "List the clusters that you may see",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			list, _, err := ask(cmd.Context(), p, clusters)
			if err != nil {
				return err
			}
			if output == "json" {
				return p.printJSON(list)
			}
			return p.printClusters(*list)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`json`, as the bridge answers (default: a table)")
	return cmd
}

func (p *plugin) printClusters(list api.ClusterList) error {
	for _, u := range list.Unavailable {
		fmt.Fprintf(p.stderr, "warning: clusters of tenant %s may be missing: %s\n", signin.Printable(u.Tenant), signin.Printable(u.Reason))
	}
	if len(list.Clusters) == 0 {
		fmt.Fprintln(p.stderr, "There are no clusters that you may see.")
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tKUBERNETES\tLAST SEEN")
	for _, c := range list.Clusters {
		seen := "never"
		if c.LastSeen != nil {
			seen = p.ago(*c.LastSeen)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", signin.Printable(c.Name), signin.Printable(c.State), dash(signin.Printable(c.Kubernetes)), seen)
	}
	return w.Flush()
}

func (p *plugin) ago(t time.Time) string {
	return duration.HumanDuration(max(0, p.now().Sub(t))) + " ago"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
