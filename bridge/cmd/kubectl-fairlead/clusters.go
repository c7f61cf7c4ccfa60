package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
)

func (p *plugin) clustersCommand() *cobra.Command {
	var output string
	var filter client.ClusterFilter
	cmd := &cobra.Command{
		Use:     "clusters",
		Short:   "List the clusters that you may see",
		Example: "  kubectl fairlead clusters\n  kubectl fairlead clusters -l env=prod --state offline -o wide",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"", "wide", "name", "json"}, output) {
				return fmt.Errorf("output %q: only wide, name and json are known", output)
			}
			list, _, err := ask(cmd.Context(), p, func(ctx context.Context, c *client.Client) (*api.ClusterList, error) {
				return c.Clusters(ctx, filter)
			})
			if err != nil {
				return err
			}
			if output == "json" {
				return p.printJSON(list)
			}
			return p.printClusters(list, output)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "`format`: wide, name, or json as the bridge answers (default: a table)")
	f.StringVarP(&filter.LabelSelector, "selector", "l", "", "`selector` of the clusters' labels, such as env=prod")
	f.StringVar(&filter.State, "state", "", "`state` of the clusters, such as online or offline")
	f.StringVar(&filter.Tenant, "tenant", "", "`tenant` of the clusters")
	return cmd
}

func (p *plugin) printClusters(list *api.ClusterList, output string) error {
	for _, u := range list.Unavailable {
		fmt.Fprintf(p.stderr, "warning: clusters of tenant %s may be missing: %s\n", signin.Printable(u.Tenant), signin.Printable(u.Reason))
	}
	if len(list.Clusters) == 0 {
		fmt.Fprintln(p.stderr, "There are no such clusters that you may see.")
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 3, ' ', 0)
	switch output {
	case "":
		fmt.Fprintln(w, "NAME\tSTATE\tKUBERNETES\tLAST SEEN")
	case "wide":
		fmt.Fprintln(w, "NAME\tSTATE\tKUBERNETES\tLAST SEEN\tAGENTS\tAGENT VERSION\tLABELS")
	}
	for _, c := range list.Clusters {
		seen := "never"
		if c.LastSeen != nil {
			seen = p.ago(*c.LastSeen)
		}
		name := signin.Printable(c.Name)
		if output == "name" {
			fmt.Fprintln(w, name)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s", name, signin.Printable(c.State), dash(signin.Printable(c.Kubernetes)), seen)
		if output == "wide" {
			fmt.Fprintf(w, "\t%d\t%s\t%s", len(c.Instances), dash(versions(c.Instances)), dash(labelsOf(c.Labels)))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// versions are those of a cluster's agents, each once.
func versions(instances []api.Instance) string {
	var all []string
	for _, i := range instances {
		if v := signin.Printable(i.Version); v != "" && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func labelsOf(labels map[string]string) string {
	all := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, signin.Printable(k)+"="+signin.Printable(labels[k]))
	}
	return strings.Join(all, ",")
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
