package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/api"
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
	r := get("v1", "clusters")
	r.query = f.query()
	list := &api.ClusterList{}
	return list, c.into(ctx, r, list)
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
	return one, c.into(ctx, get("v1", "clusters", cluster), one)
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
	r := get("v1", "clusters", cluster, "kubeconfig")
	r.accept, r.query = "application/yaml", url.Values{}
	if o.Auth != "" {
		r.query.Set("auth", o.Auth)
	}
	if o.Style != "" {
		r.query.Set("style", o.Style)
	}
	return c.read(ctx, r)
}

// Call makes one request to the API server of a cluster. Whatever the API server answers
// is a result, and no error. A call of GET, HEAD or OPTIONS may be executed twice
// (see [Retry]), one of PUT or DELETE may not: an object may be another by then. Its Stream must be false: that is [Client.CallStream].
func (c *Client) Call(ctx context.Context, cluster string, call api.Call) (*api.CallResult, error) {
	r, err := callRequest(cluster, call)
	if err != nil {
		return nil, err
	}
	result := &api.CallResult{}
	return result, c.into(ctx, r, result)
}

func callRequest(cluster string, call api.Call) (*request, error) {
	r, err := post(call, "v1", "clusters", cluster, "requests")
	if err != nil {
		return nil, err
	}
	r.repeatable = reads(call.Method)
	return r, nil
}

// reads reports whether a call of a method may be executed twice.
func reads(method string) bool {
	switch strings.ToUpper(method) {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}
