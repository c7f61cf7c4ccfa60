package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/fairlead-io/fairlead/bridge/api"
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
	return report, c.into(ctx, get(pullSecretPath(cluster, namespace, name)...), report)
}

// PutPullSecret writes a pull secret, and attaches it to service accounts. Its errors have
// nothing of the tokens.
func (c *Client) PutPullSecret(ctx context.Context, cluster, namespace, name string, p api.PullSecret, o PullSecretOptions) (*api.PullSecretReport, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, errors.New("encode the pull secret")
	}
	r := o.request(http.MethodPut, pullSecretPath(cluster, namespace, name))
	r.body = body
	if o.Replace {
		r.query = url.Values{"mode": {"replace"}}
	}
	report := &api.PullSecretReport{}
	return report, c.into(ctx, r, report)
}

// DeletePullSecret deletes a pull secret, and detaches it from the service accounts that
// use it.
func (c *Client) DeletePullSecret(ctx context.Context, cluster, namespace, name string, o PullSecretOptions) (*api.PullSecretDeleted, error) {
	r := o.request(http.MethodDelete, pullSecretPath(cluster, namespace, name))
	if o.KeepAttached {
		r.query = url.Values{"detach": {"false"}}
	}
	done := &api.PullSecretDeleted{}
	return done, c.into(ctx, r, done)
}

func (o *PullSecretOptions) request(method string, path []string) *request {
	r := &request{method: method, path: path, repeatable: o.Version == ""}
	if o.Version != "" {
		r.header = http.Header{"If-Match": {`"` + o.Version + `"`}}
	}
	return r
}
