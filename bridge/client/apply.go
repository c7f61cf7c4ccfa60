package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// ApplyOptions say how objects are applied. The zero value applies them as field manager
// fairlead-apply, takes nothing from others, and deletes nothing.
type ApplyOptions struct {
	// FieldManager is who owns the fields. Each pipeline has one of its own.
	FieldManager string
	// Force takes fields that another manager owns, instead of failing with a conflict.
	Force bool
	// DryRun stores nothing.
	DryRun bool
	// Namespace is that of objects that name none; "": default.
	Namespace string
	// Timeout bounds the whole: 1 s to 30 min; 0: 5 min.
	Timeout time.Duration
	// Prune is a label selector, "" prunes nothing: see docs/apply.md.
	Prune string
	// PruneKinds, such as apps/v1/Deployment, and PruneNamespaces are pruned beside those
	// of the objects.
	PruneKinds, PruneNamespaces []string
}

func (o ApplyOptions) query() url.Values {
	q := url.Values{"pruneKind": o.PruneKinds, "pruneNamespace": o.PruneNamespaces}
	set := func(name, value string, ok bool) {
		if ok {
			q.Set(name, value)
		}
	}
	set("fieldManager", o.FieldManager, o.FieldManager != "")
	set("force", "true", o.Force)
	set("dryRun", "All", o.DryRun)
	set("namespace", o.Namespace, o.Namespace != "")
	set("timeout", o.Timeout.String(), o.Timeout != 0)
	set("prune", o.Prune, o.Prune != "")
	return q
}

// Apply applies objects, which are documents of YAML or values of JSON, to a cluster. It
// yields what became of each object as it happens, and the summary last. An object that
// failed is a result, and no error; the last pair has an error if nothing was applied, or
// the response broke before the summary, after which it is safe to apply again. The work
// ends when the loop does.
func (c *Client) Apply(ctx context.Context, cluster string, objects []byte, o ApplyOptions) iter.Seq2[api.ApplyLine, error] {
	r := &exchange.Request{
		Method: http.MethodPost, Path: []string{"v1", "clusters", cluster, "apply"}, Query: o.query(),
		Body: objects, Kind: "application/yaml", Repeatable: true,
	}
	return exchange.Lines(ctx, c.bridge, r, nil, func(l api.ApplyLine) bool { return l.Summary != nil })
}
