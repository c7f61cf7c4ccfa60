package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// PullSecretOptions are how a pull secret is changed. The zero value adds registries to
// those that it has.
type PullSecretOptions struct {
	// Replace writes the given registries alone, without reading the Secret.
	Replace bool
	// KeepAttached leaves service accounts as they are when the pull secret is deleted.
	KeepAttached bool
	// Version is the ResourceVersion of an earlier report, which the Secret must still
	// have; "": any. A change with one is not sent again, as its outcome would be unknown.
	Version string
}

func pullSecretPath(cluster, namespace, name string) []string {
	return []string{"v1", "clusters", cluster, "namespaces", namespace, "pull-secrets", name}
}

// PullSecret says whether a pull secret is well formed, and which service accounts use it.
func (c *Client) PullSecret(ctx context.Context, cluster, namespace, name string) (*api.PullSecretReport, error) {
	report := &api.PullSecretReport{}
	return report, c.bridge.Into(ctx, exchange.Get(pullSecretPath(cluster, namespace, name)...), report)
}

// PutPullSecret writes a pull secret, and attaches it to service accounts. Its errors have
// nothing of the tokens.
func (c *Client) PutPullSecret(ctx context.Context, cluster, namespace, name string, p api.PullSecret, o PullSecretOptions) (*api.PullSecretReport, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, errors.New("encode the pull secret")
	}
	r := o.request(http.MethodPut, pullSecretPath(cluster, namespace, name))
	r.Body = body
	if o.Replace {
		r.Query = url.Values{"mode": {"replace"}}
	}
	report := &api.PullSecretReport{}
	return report, c.bridge.Into(ctx, r, report)
}

// DeletePullSecret deletes a pull secret, and detaches it from the service accounts that
// use it.
func (c *Client) DeletePullSecret(ctx context.Context, cluster, namespace, name string, o PullSecretOptions) (*api.PullSecretDeleted, error) {
	r := o.request(http.MethodDelete, pullSecretPath(cluster, namespace, name))
	if o.KeepAttached {
		r.Query = url.Values{"detach": {"false"}}
	}
	done := &api.PullSecretDeleted{}
	return done, c.bridge.Into(ctx, r, done)
}

func (o *PullSecretOptions) request(method string, path []string) *exchange.Request {
	r := &exchange.Request{Method: method, Path: path, Repeatable: o.Version == ""}
	if o.Version != "" {
		r.Header = http.Header{"If-Match": {`"` + o.Version + `"`}}
	}
	return r
}

// PullSecretPlaces are namespaces of clusters in which a pull secret is read or deleted.
type PullSecretPlaces struct {
	// Clusters are the names of the clusters, each of them once.
	Clusters []string
	// Selector, Tenant and State select clusters instead, as those of an [api.FleetCall].
	Selector      *string
	Tenant, State string
	// Namespaces are those in each of the clusters.
	Namespaces []string
	// Timeout bounds all namespaces of a cluster, and Deadline the whole; 0: as long as the
	// bridge allows by default.
	Timeout, Deadline time.Duration
	// Concurrency is how many clusters are worked in at the same time; 0: as many as may be.
	Concurrency int
}

func (p *PullSecretPlaces) query() url.Values {
	q := url.Values{"namespaces": {strings.Join(p.Namespaces, ",")}}
	if p.Clusters != nil {
		q.Set("clusters", strings.Join(p.Clusters, ","))
	}
	if p.Selector != nil {
		q.Set("selector", *p.Selector)
	}
	if p.Tenant != "" {
		q.Set("tenant", p.Tenant)
	}
	if p.State != "" {
		q.Set("state", p.State)
	}
	if p.Timeout != 0 {
		q.Set("timeout", p.Timeout.String())
	}
	if p.Deadline != 0 {
		q.Set("deadline", p.Deadline.String())
	}
	if p.Concurrency != 0 {
		q.Set("concurrency", strconv.Itoa(p.Concurrency))
	}
	return q
}

// PutPullSecrets writes a pull secret in namespaces of many clusters, and yields what became
// of each cluster as [Client.FleetCall] does; the body of a line is an
// [api.FleetPullSecretResult]. Of the options only Replace may be set.
func (c *Client) PutPullSecrets(ctx context.Context, name string, p api.FleetPullSecret, o PullSecretOptions) iter.Seq2[api.FleetLine, error] {
	body, err := json.Marshal(p)
	if err != nil {
		err = errors.New("encode the pull secret")
	}
	var q url.Values
	if o.Replace {
		q = url.Values{"mode": {"replace"}}
	}
	return c.pullSecrets(ctx, http.MethodPut, name, q, body, err)
}

// PullSecrets says of pull secrets in namespaces of many clusters whether they are well
// formed, in lines as [Client.PutPullSecrets] does.
func (c *Client) PullSecrets(ctx context.Context, name string, in PullSecretPlaces) iter.Seq2[api.FleetLine, error] {
	return c.pullSecrets(ctx, http.MethodGet, name, in.query(), nil, nil)
}

// DeletePullSecrets deletes pull secrets in namespaces of many clusters, in lines as
// [Client.PutPullSecrets] does. Of the options only KeepAttached may be set.
func (c *Client) DeletePullSecrets(ctx context.Context, name string, in PullSecretPlaces, o PullSecretOptions) iter.Seq2[api.FleetLine, error] {
	q := in.query()
	if o.KeepAttached {
		q.Set("detach", "false")
	}
	return c.pullSecrets(ctx, http.MethodDelete, name, q, nil, nil)
}

func (c *Client) pullSecrets(ctx context.Context, method, name string, q url.Values, body []byte, err error) iter.Seq2[api.FleetLine, error] {
	r := &exchange.Request{Method: method, Path: []string{"v1", "pull-secrets", name}, Query: q, Body: body, Repeatable: true}
	return exchange.Lines(ctx, c.bridge, r, err, func(l api.FleetLine) bool { return l.Summary != nil })
}
