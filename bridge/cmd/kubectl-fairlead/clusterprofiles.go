package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/profile"
	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/signin"
)

// Bounds of the requests to the cluster that keeps the profiles.
const (
	hubTimeout = 30 * time.Second // of one request
	hubQPS     = 50               // 1,000 clusters are written in less than a minute
	leastEvery = time.Second
	// pruneAfter is how long --watch waits before it deletes the profile of a cluster that
	// the bridge does not show: longer than bridges take to hear of all after a restart.
	pruneAfter = 10 * time.Minute
)

type profileOptions struct {
	filter                         client.ClusterFilter
	manager, namespace             string
	kubeconfig, context, publicURL string
	apply, watch, prune            bool
	every                          time.Duration
}

func (p *plugin) clusterProfilesCommand() *cobra.Command {
	var o profileOptions
	cmd := &cobra.Command{
		Use:   "clusterprofiles",
		Short: "Make ClusterProfiles of the clusters that you may see",
		Long: "Make a ClusterProfile (multicluster.x-k8s.io/v1alpha1) of each cluster that you may see: print them, " +
			"or keep them in the cluster of your kubeconfig's current context, the hub. " +
			"There, --watch deletes those of clusters that you could not see for 10 minutes; --apply deletes none without --prune.",
		Example: "  kubectl fairlead clusterprofiles\n  kubectl fairlead clusterprofiles --apply --context hub -n cluster-inventory\n" +
			"  kubectl fairlead clusterprofiles --watch -n cluster-inventory --token-file /var/run/secrets/fairlead/token --bridge https://fairlead.example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.clusterProfiles(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.apply, "apply", false, "write the profiles to the hub")
	f.BoolVar(&o.watch, "watch", false, "write the profiles to the hub, and go on until stopped")
	f.BoolVar(&o.prune, "prune", false, "with --apply, delete the profiles of clusters that you do not see")
	cmd.MarkFlagsMutuallyExclusive("apply", "watch")
	f.DurationVar(&o.every, "every", 15*time.Second, "with --watch, how often the bridge is asked")
	f.StringVar(&o.manager, "manager", "fairlead", "`name` of the cluster manager; each bridge that writes to a hub needs its own")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the profiles (default: that of the hub's context)")
	f.StringVarP(&o.filter.LabelSelector, "selector", "l", "", "`selector` of the clusters' labels, such as env=prod")
	f.StringVar(&o.filter.Tenant, "tenant", "", "`tenant` of the clusters")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` for the hub (default: $KUBECONFIG, ~/.kube/config, or the service account of the pod)")
	f.StringVar(&o.context, "context", "", "`context` of the hub in the kubeconfig")
	f.StringVar(&o.publicURL, "public-url", "", "`URL` of the bridge for those who read the profiles (default: --bridge)")
	return cmd
}

func (p *plugin) clusterProfiles(ctx context.Context, o profileOptions) error {
	if o.every < leastEvery {
		return fmt.Errorf("--every: at least %s", leastEvery)
	}
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(hubRules(o.kubeconfig), &clientcmd.ConfigOverrides{CurrentContext: o.context})
	if !o.apply && !o.watch {
		profiles, _, err := p.makeProfiles(ctx, o)
		if err != nil {
			return err
		}
		return p.printProfiles(profiles)
	}
	match, err := labels.Parse(o.filter.LabelSelector)
	if err != nil {
		return fmt.Errorf("--selector: %w", err)
	}
	if o.namespace == "" {
		if o.namespace, _, err = config.Namespace(); err != nil {
			return fmt.Errorf("kubeconfig of the hub: %w", err)
		}
	}
	hub, err := config.ClientConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig of the hub: %w", err)
	}
	hub.Timeout, hub.QPS, hub.Burst, hub.UserAgent = hubTimeout, hubQPS, 2*hubQPS, "kubectl-fairlead/"+version
	c, err := dynamic.NewForConfig(hub)
	if err != nil {
		return fmt.Errorf("kubeconfig of the hub: %w", err)
	}
	k := &profile.Keeper{Hub: c.Resource(profile.Resource).Namespace(o.namespace), Manager: o.manager}
	k.Covers = func(p *profile.Profile) bool { return p.Chosen(o.filter.Tenant, match) }
	if o.watch {
		o.prune, k.Patience = true, pruneAfter
		return p.keepProfiles(ctx, k, o)
	}
	changes, err := p.keepOnce(ctx, k, o)
	fmt.Fprintf(p.stderr, "ClusterProfiles in namespace %s: %d written, %d deleted.\n", o.namespace, changes.Written, changes.Deleted)
	return err
}

func hubRules(file string) *clientcmd.ClientConfigLoadingRules {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	return rules
}

// keepProfiles keeps the profiles until ctx ends. An error ends one round only.
func (p *plugin) keepProfiles(ctx context.Context, k *profile.Keeper, o profileOptions) error {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		changes, err := p.keepOnce(ctx, k, o)
		if ctx.Err() != nil {
			return nil
		}
		at := p.now().Format(time.RFC3339)
		if err != nil {
			fmt.Fprintf(p.stderr, "%s error: %s\n", at, signin.Printable(err.Error()))
		}
		if changes != (profile.Changes{}) {
			fmt.Fprintf(p.stderr, "%s %d written, %d deleted\n", at, changes.Written, changes.Deleted)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keepOnce is one round. Clusters of a tenant that the bridge could not ask for keep their
// profiles.
func (p *plugin) keepOnce(ctx context.Context, k *profile.Keeper, o profileOptions) (profile.Changes, error) {
	profiles, missing, err := p.makeProfiles(ctx, o)
	if err != nil {
		k.Forget()
		return profile.Changes{}, err
	}
	changes, err := k.Keep(ctx, profiles, o.prune && missing == nil, p.now())
	return changes, errors.Join(err, missing)
}

// makeProfiles makes the profiles of all clusters. missing says why some may not be there.
func (p *plugin) makeProfiles(ctx context.Context, o profileOptions) (all []*profile.Profile, missing, err error) {
	list, s, err := ask(ctx, p, func(ctx context.Context, c *client.Client) (*api.ClusterList, error) {
		return c.Clusters(ctx, o.filter)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, u := range list.Unavailable {
		missing = errors.Join(missing, fmt.Errorf("clusters of tenant %s may be missing: %s", signin.Printable(u.Tenant), signin.Printable(u.Reason)))
	}
	m := profile.Maker{Namespace: o.namespace, Manager: o.manager, Bridge: s.Bridge}
	if o.publicURL != "" {
		if m.Bridge, err = normalURL(o.publicURL); err != nil {
			return nil, nil, err
		}
	}
	if s.Login.BridgeCA != "" {
		if m.CA, err = os.ReadFile(s.Login.BridgeCA); err != nil {
			return nil, nil, err
		}
	}
	now := metav1.NewTime(p.now().Truncate(time.Second))
	for i := range list.Clusters {
		all = append(all, m.Make(&list.Clusters[i], now))
	}
	return all, missing, nil
}

func (p *plugin) printProfiles(all []*profile.Profile) error {
	for _, one := range all {
		b, err := yaml.Marshal(one)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "---\n%s", b); err != nil {
			return err
		}
	}
	return nil
}
