package client

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strconv"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// ClusterFilter says which clusters to list. The zero value: all that the caller may reach.
type ClusterFilter struct {
	// Tenant is the only one whose clusters are listed; "": all tenants'.
	Tenant string
	// LabelSelector is what their labels must match, as Kubernetes writes selectors, such as
	// env=prod,region in (eu,us); "": anything.
	LabelSelector string
	// State is the only one, such as offline; "": any.
	State string
	// Limit is the largest number of clusters in the list; 0: any.
	Limit int
	// Continue is that of the list before; "": from the first cluster.
	Continue string
}

func (f *ClusterFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"tenant": f.Tenant, "labelSelector": f.LabelSelector, "state": f.State, "continue": f.Continue,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Clusters lists the clusters that the caller may reach, or a page of them. Its Unavailable
// names tenants of which some may be missing.
func (c *Client) Clusters(ctx context.Context, f ClusterFilter) (*api.ClusterList, error) {
	r := exchange.Get("v1", "clusters")
	r.Query = f.query()
	list := &api.ClusterList{}
	return list, c.bridge.Into(ctx, r, list)
}

// clusterPage is the size of the pages of [Client.EachCluster].
const clusterPage = 500

// EachCluster is [Client.Clusters] page by page, of f.Limit clusters or 500, as one
// sequence. It ends with an error if the clusters of a tenant may be missing: who acts on
// all clusters must know.
func (c *Client) EachCluster(ctx context.Context, f ClusterFilter) iter.Seq2[api.Cluster, error] {
	return func(yield func(api.Cluster, error) bool) {
		if f.Limit == 0 {
			f.Limit = clusterPage
		}
		for {
			list, err := c.Clusters(ctx, f)
			if err != nil {
				yield(api.Cluster{}, err)
				return
			}
			for _, cluster := range list.Clusters {
				if !yield(cluster, nil) {
					return
				}
			}
			if len(list.Unavailable) > 0 {
				u := list.Unavailable[0]
				yield(api.Cluster{}, fmt.Errorf("clusters of tenant %s may be missing: %s", u.Tenant, u.Reason))
				return
			}
			if f.Continue = list.Continue; f.Continue == "" {
				return
			}
		}
	}
}

// Cluster returns one cluster, written prod or prod.tenant.
func (c *Client) Cluster(ctx context.Context, cluster string) (*api.Cluster, error) {
	one := &api.Cluster{}
	return one, c.bridge.Into(ctx, exchange.Get("v1", "clusters", cluster), one)
}

// KubeconfigOptions are what a kubeconfig is like. The zero value has the caller's token
// and the cluster's path at the bridge.
type KubeconfigOptions struct {
	// Auth is "token" or "exec": a command that gets a token.
	Auth string
	// Style is "path" or "host": the cluster's own host.
	Style string
}

// Kubeconfig returns a kubeconfig of a cluster in YAML. Unless its Auth is "exec" it has
// the caller's token in it, and is a secret.
func (c *Client) Kubeconfig(ctx context.Context, cluster string, o KubeconfigOptions) ([]byte, error) {
	r := exchange.Get("v1", "clusters", cluster, "kubeconfig")
	r.Accept, r.Query = "application/yaml", url.Values{}
	if o.Auth != "" {
		r.Query.Set("auth", o.Auth)
	}
	if o.Style != "" {
		r.Query.Set("style", o.Style)
	}
	return c.bridge.Read(ctx, r)
}
