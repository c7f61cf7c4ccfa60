package apply

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// metadataOnly asks for what is needed to see whether an object has changed.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// state is an object in the cluster.
type state struct {
	body     json.RawMessage
	Metadata struct{ UID, ResourceVersion string }
}

func readState(b []byte) (*state, error) {
	s := &state{body: b}
	return s, json.Unmarshal(b, s)
}

// patch applies one object, and says what became of it.
func (a *applier) patch(ctx context.Context, o *object) *api.ApplyResult {
	target, f := a.target(o)
	r := &api.ApplyResult{Object: o.reference(a.namespace)} // its namespace depends on the kind
	if f != nil {
		return a.failed(r, f)
	}
	before, seen, f := a.before(ctx, o, target)
	if f != nil {
		return a.failed(r, f)
	}
	res, f := a.client.do(ctx, &call.Request{
		Method: http.MethodPatch, Target: target + "?" + a.query().Encode(), Body: o.body,
		Header: http.Header{"Content-Type": {"application/apply-patch+yaml"}, "Accept": {a.accept(o)}},
	})
	if f != nil {
		return a.failed(r, f)
	}
	r.Status, r.Warnings = res.Status, warnings(res.Header)
	if res.Status != http.StatusOK && res.Status != http.StatusCreated {
		return a.failed(r, rejected(res))
	}
	after, err := readState(res.Body)
	if err != nil {
		return a.failed(r, answer.Failf(answer.APIServerRejected, "the API server's answer cannot be read: %s", clean(err)).Of(res.ID))
	}
	r.Action = a.action(before, seen, after, res.Status)
	a.applied(o, after)
	return r
}

// target is the path of the object.
func (a *applier) target(o *object) (string, *answer.Failure) {
	known, f := a.discovery.find(o.gvk)
	switch {
	case f != nil:
		return "", f
	case known == nil && a.defines(o.gvk.GroupKind()) && a.dryRun:
		return "", answer.Failf(answer.UnknownKind, "%s is defined in the same body, and a dry run does not create the definition", o.gvk.GroupKind())
	case known == nil && a.defines(o.gvk.GroupKind()):
		return "", answer.Failf(answer.UnknownKind, "%s is defined in the same body, but version %s is not served", o.gvk.GroupKind(), o.gvk.Version)
	case known == nil:
		return "", answer.Failf(answer.UnknownKind, "the cluster has no kind %s in %s: its CustomResourceDefinition is neither there nor in the body", o.gvk.Kind, o.gvk.GroupVersion())
	case !known.can("patch"):
		return "", answer.Failf(answer.UnknownKind, "objects of the kind %s cannot be changed", o.gvk.Kind)
	case !known.namespaced && o.namespace != "":
		return "", answer.Failf(answer.BadRequest, "objects of the kind %s have no namespace, and metadata.namespace is %q", o.gvk.Kind, o.namespace)
	}
	o.known = known
	return a.collection(o) + "/" + url.PathEscape(o.name), nil
}

// collection is the path of the objects among which o is.
func (a *applier) collection(o *object) string {
	path := prefixOf(o.gvk.GroupVersion())
	if o.known.namespaced {
		path += "/namespaces/" + o.place(a.namespace)
	}
	return path + "/" + o.known.name
}

// query has the parameters of a server-side apply.
func (a *applier) query() url.Values {
	q := url.Values{"fieldManager": {a.manager}, "fieldValidation": {"Strict"}}
	if a.force {
		q.Set("force", "true")
	}
	if a.dryRun {
		q.Set("dryRun", "All")
	}
	return q
}

// accept asks for the whole of an object where it is needed: of a definition its
// conditions, and in a dry run everything, since no version of the object tells changes.
func (a *applier) accept(o *object) string {
	if a.dryRun || o.gvk.GroupKind() == definition {
		return "application/json"
	}
	return metadataOnly
}

// before is the object as it is now; nil: there is none. seen is false if the caller may not
// see it.
func (a *applier) before(ctx context.Context, o *object, target string) (before *state, seen bool, f *answer.Failure) {
	res, f := a.client.do(ctx, &call.Request{Method: http.MethodGet, Target: target, Header: http.Header{"Accept": {a.accept(o)}}})
	switch {
	case f != nil && general(f):
		return nil, false, f
	case f != nil:
		return nil, false, nil
	case res.Status == http.StatusNotFound:
		return nil, true, nil
	case res.Status != http.StatusOK:
		return nil, false, nil
	}
	if before, err := readState(res.Body); err == nil {
		return before, true, nil
	}
	return nil, false, nil
}

// action says what an apply did. An object that was not seen before it counts as changed.
func (a *applier) action(before *state, seen bool, after *state, status int) string {
	switch {
	case status == http.StatusCreated, seen && before == nil:
		return api.ApplyCreated
	case !seen, before.Metadata.UID != after.Metadata.UID, before.Metadata.ResourceVersion != after.Metadata.ResourceVersion:
		return api.ApplyConfigured
	case a.dryRun && !same(before.body, after.body):
		return api.ApplyConfigured
	}
	return api.ApplyUnchanged
}

// same reports whether two objects have the same content.
func same(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
