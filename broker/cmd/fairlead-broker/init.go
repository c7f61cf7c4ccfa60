package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects"
)

func initCommand() *cobra.Command {
	o := keys.InitOptions{}
	expires := time.Duration(0)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a directory that a first installation runs from",
		Long: `Make a directory that a first installation runs from: operator, system account
and one tenant with their keys, a private CA and a server certificate, the
credentials of one cluster's agent, a token for the bridge, and configuration
for broker and bridge. Nothing is ever overwritten.

This is for a first run, for docker compose and for a single node. In production
nsc makes and keeps the keys (deploy/nsc). nsc can take over what 'init' made:
nsc fix --creds --in DIR --out NSC.

` + eitherOr,
		Example: `  fairlead-broker init --dir ./fairlead --tenant acme --cluster prod
  fairlead-broker init --dir ./fairlead --host nats.example.com --host 10.0.0.7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return &daemon.UsageError{Err: err}
			}
			if err := checkExpires(expires); err != nil {
				return err
			}
			o.Expires = after(expires)
			l, err := keys.Init(o)
			if err != nil {
				return err
			}
			return printNext(cmd.OutOrStdout(), l, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "`directory` to make; it must be empty or not exist")
	f.StringVar(&o.Operator, "operator", "fairlead", "`name` of the operator")
	f.StringVar(&o.Tenant, "tenant", subjects.DefaultTenant, "`name` of the first tenant")
	f.StringVar(&o.Cluster, "cluster", "", "`name` of the first cluster, whose agent gets credentials")
	f.DurationVar(&expires, "expires", 0, "`time` until those credentials expire (0: never)")
	f.StringSliceVar(&o.Hosts, "host", nil, "`name or address`, in addition to localhost, of broker and bridge; may be repeated, agents get the first")
	f.StringVar(&o.ClusterDomain, "cluster-domain", "", "`domain` below which each cluster has a host of its own, such as k8s.example.com: the certificate is for the clusters of the tenant too")
	daemon.MarkPath(f, "dir")
	return cmd
}

// checkExpires refuses credentials that would have expired when they are made:
// their time has a resolution of a second.
func checkExpires(d time.Duration) error {
	if d < 0 || d > 0 && d < time.Second {
		return daemon.Usagef("--expires: %v is less than 1s: the credentials would have expired already (0: never)", d)
	}
	return nil
}

// after is the moment that is d from now, or never for 0.
func after(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

const next = `Made %[1]s.

Start a bridge, which runs a broker of its own:
  fairlead-bridge run --config %[1]s/bridge.yaml

or only a broker:
  fairlead-broker run --config %[1]s/broker.yaml
%[2]s
Call the bridge:
  curl --cacert %[3]s -H "Authorization: Bearer $(cat %[4]s)" https://localhost:8443/v1/clusters

Add another cluster or tenant:
  fairlead-broker cluster add --dir %[1]s --tenant %[5]s --cluster staging
  fairlead-broker tenant add --dir %[1]s --tenant globex

%[1]s/keys and %[1]s/tls/ca.key sign everything. Once it all runs, keep them
away from the machines that run it; of the keys a bridge needs bridge.nk and store.nk only.
`

const nextAgent = `
In the cluster, start its agent:
  fairlead-agent --server %s --ca %s --creds %s
`

func printNext(w io.Writer, l *keys.Layout, o keys.InitOptions) error {
	agent := ""
	if o.Cluster != "" {
		agent = fmt.Sprintf(nextAgent, o.BrokerURL(), l.CAFile(), l.CredsFile(o.Tenant, o.Cluster))
	}
	_, err := fmt.Fprintf(w, next, l.Dir(), agent, l.CAFile(), l.TokenFile(), o.Tenant)
	return err
}
