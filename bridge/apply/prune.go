package apply

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// deleteOthers deletes what has the labels and was applied by the same field manager, and is
// not in the body.
func (a *applier) deleteOthers(ctx context.Context, all []*object) {
	if a.summary.Failed > 0 {
		a.summary.NotPruned = "not all objects were applied"
		return
	}
	kinds := a.prunable(all)
	versions := make([]schema.GroupVersion, 0, len(kinds))
	for _, k := range kinds {
		if known, f := a.discovery.find(k); known == nil && f == nil {
			versions = append(versions, k.GroupVersion())
		}
	}
	slices.SortFunc(versions, func(x, y schema.GroupVersion) int { return compare(x.String(), y.String()) })
	a.discovery.load(ctx, slices.Compact(versions))
	// What needs others goes first.
	for _, k := range kinds {
		known, f := a.discovery.find(k)
		if f == nil && (known == nil || !known.can("list") || !known.can("delete")) {
			if slices.Contains(a.pruneKinds, k) {
				f = answer.Failf(answer.UnknownKind, "objects of the kind %s in %s cannot be listed and deleted: there is no such kind, or it does not allow that", k.Kind, k.GroupVersion())
			} else {
				continue
			}
		}
		if f != nil {
			a.report(a.failed(&api.ApplyResult{Object: api.ObjectReference{APIVersion: k.GroupVersion().String(), Kind: k.Kind}}, f))
			continue
		}
		for _, o := range a.places(k, known, all) {
			a.pruneIn(ctx, o)
		}
	}
}

func compare(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// deliberate are kinds of which objects are deleted only if the caller names the kind: much
// else goes with them.
var deliberate = []schema.GroupKind{{Group: "", Kind: "Namespace"}, definition, {Group: "", Kind: "PersistentVolume"}, {Group: "", Kind: "PersistentVolumeClaim"}}

// prunable are the kinds of which objects may be deleted, in the order of deletion.
func (a *applier) prunable(all []*object) []schema.GroupVersionKind {
	kinds := slices.Clone(a.pruneKinds)
	for _, o := range all {
		if !slices.Contains(deliberate, o.gvk.GroupKind()) && !slices.Contains(kinds, o.gvk) {
			kinds = append(kinds, o.gvk)
		}
	}
	slices.SortStableFunc(kinds, func(x, y schema.GroupVersionKind) int {
		return phaseOf(y.GroupKind()) - phaseOf(x.GroupKind())
	})
	return kinds
}

// places are where objects of a kind may be deleted: the namespaces of the body and those
// that the caller names. Each is an object without a name.
func (a *applier) places(k schema.GroupVersionKind, known *resource, all []*object) (places []*object) {
	if !known.namespaced {
		return []*object{{gvk: k, known: known}}
	}
	namespaces := slices.Clone(a.pruneNamespaces)
	for _, o := range all {
		if ns := o.place(a.namespace); o.known != nil && ns != "" {
			namespaces = append(namespaces, ns)
		}
	}
	slices.Sort(namespaces)
	for _, ns := range slices.Compact(namespaces) {
		places = append(places, &object{gvk: k, known: known, namespace: ns})
	}
	return places
}

// listed is an object of a list, as far as pruning looks at it.
type listed struct {
	Metadata struct {
		Name, UID         string
		Labels            labels.Set
		DeletionTimestamp *string
		OwnerReferences   []json.RawMessage
		ManagedFields     []struct{ Manager, Operation, Subresource string }
	}
}

// maxPages bounds how many pages of a list are read, of 500 objects each. maxPruned bounds
// how many objects of a kind and a namespace are deleted at once: more are a mistake, or a
// cluster that makes them up.
const (
	maxPages  = 200
	maxPruned = 5000
)

// pruneIn deletes the objects of one kind in one place.
func (a *applier) pruneIn(ctx context.Context, at *object) {
	q := url.Values{"labelSelector": {a.prune.String()}, "limit": {"500"}}
	accept := "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
	var old []*listed
	for range maxPages {
		page, f := a.page(ctx, a.collection(at)+"?"+q.Encode(), accept)
		if f != nil {
			a.report(a.failed(&api.ApplyResult{Object: at.reference(a.namespace)}, f))
			return
		}
		for _, l := range page.Items {
			if l != nil && a.isOld(at, l) {
				old = append(old, l)
			}
		}
		if len(old) > maxPruned {
			f := answer.Failf(answer.APIServerRejected, "more than %d objects would be deleted; none of them was", maxPruned)
			a.report(a.failed(&api.ApplyResult{Object: at.reference(a.namespace)}, f))
			return
		}
		if page.Metadata.Continue == "" {
			break
		}
		q.Set("continue", page.Metadata.Continue)
	}
	each(old, func(l *listed) {
		o := &object{gvk: at.gvk, known: at.known, namespace: at.namespace, name: l.Metadata.Name}
		a.report(a.remove(ctx, o, l.Metadata.UID))
	})
}

// page is one of a list.
type page struct {
	Metadata struct{ Continue string }
	Items    []*listed
}

func (a *applier) page(ctx context.Context, target, accept string) (*page, *answer.Failure) {
	if f := a.over(ctx); f != nil {
		return nil, f
	}
	res, f := a.client.do(ctx, &call.Request{Method: http.MethodGet, Target: target, Header: http.Header{"Accept": {accept}}})
	if f != nil {
		return nil, f
	}
	p := &page{}
	if res.Status != http.StatusOK {
		return nil, rejected(res)
	}
	if err := json.Unmarshal(res.Body, p); err != nil {
		return nil, answer.Failf(answer.APIServerRejected, "the API server's list cannot be read: %s", clean(err)).Of(res.ID)
	}
	return p, nil
}

// isOld reports whether an object of a list is to be deleted. The labels are looked at again: nothing
// is deleted because an API server does not know selectors. The name is the cluster's, and
// becomes part of a path.
func (a *applier) isOld(at *object, l *listed) bool {
	m := &l.Metadata
	if m.UID == "" || m.Name == "" || len(path.IsValidPathSegmentName(m.Name)) > 0 || a.uids[m.UID] || a.keys[key{at.gvk.GroupKind(), at.namespace, m.Name}] || m.DeletionTimestamp != nil || len(m.OwnerReferences) > 0 || !a.prune.Matches(m.Labels) {
		return false
	}
	for _, f := range m.ManagedFields {
		if f.Manager == a.manager && f.Operation == "Apply" && f.Subresource == "" {
			return true
		}
	}
	return false
}

// remove deletes one object, if it is still the one that was listed.
func (a *applier) remove(ctx context.Context, o *object, uid string) *api.ApplyResult {
	r := &api.ApplyResult{Object: o.reference(a.namespace)}
	if f := a.over(ctx); f != nil {
		return a.failed(r, f)
	}
	how := map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": map[string]string{"uid": uid}}
	target := a.collection(o) + "/" + url.PathEscape(o.name)
	if a.dryRun {
		how["dryRun"] = []string{"All"}
		target += "?dryRun=All"
	}
	body, err := json.Marshal(how)
	if err != nil {
		return a.failed(r, answer.Failf(answer.InternalError, "%w", err))
	}
	res, f := a.client.do(ctx, &call.Request{
		Method: http.MethodDelete, Target: target, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if f != nil {
		return a.failed(r, f)
	}
	r.Status, r.Warnings = res.Status, warnings(res.Header)
	switch res.Status {
	case http.StatusOK, http.StatusAccepted, http.StatusNotFound:
		r.Action = api.ApplyPruned
		return r
	}
	return a.failed(r, rejected(res))
}
