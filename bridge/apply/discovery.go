package apply

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// resource is what discovery says of a kind.
type resource struct {
	name       string // as in paths: deployments
	namespaced bool
	verbs      []string
}

// can reports whether a verb is served.
func (r *resource) can(verb string) bool { return slices.Contains(r.verbs, verb) }

// found is what is known of one version of a group.
type found struct {
	kinds   map[string]*resource
	failure *answer.Failure // why nothing is known; nil: kinds are
}

// discovery asks which kinds there are, each version of a group once. It is safe for
// concurrent use.
type discovery struct {
	client *client

	mu    sync.Mutex
	known map[schema.GroupVersion]*found
}

// load asks about versions that are not known, again about those that are.
func (d *discovery) load(ctx context.Context, all []schema.GroupVersion) {
	each(all, func(gv schema.GroupVersion) {
		f := d.ask(ctx, gv)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.known[gv] = f
	})
}

// find returns what is known of a kind; nil: there is no such kind.
func (d *discovery) find(gvk schema.GroupVersionKind) (*resource, *answer.Failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.known[gvk.GroupVersion()]
	if f == nil {
		return nil, nil
	}
	return f.kinds[gvk.Kind], f.failure
}

// failure is the first that concerns the cluster as a whole; nil: there is none.
func (d *discovery) failure() *answer.Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.known {
		if f.failure != nil && general(f.failure) {
			return f.failure
		}
	}
	return nil
}

func (d *discovery) ask(ctx context.Context, gv schema.GroupVersion) *found {
	res, f := d.client.do(ctx, &call.Request{Method: http.MethodGet, Target: prefixOf(gv), Header: http.Header{"Accept": {"application/json"}}})
	if f == nil && res.Status != http.StatusOK && res.Status != http.StatusNotFound {
		f = rejected(res)
	}
	if f != nil && !general(f) {
		f = f.With("; kinds of " + gv.String() + " are not known without it")
	}
	if f != nil {
		return &found{failure: f}
	}
	is := &found{kinds: map[string]*resource{}}
	if res.Status == http.StatusNotFound {
		return is
	}
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
			Verbs      []string
		}
	}
	if err := json.Unmarshal(res.Body, &list); err != nil {
		return &found{failure: answer.Failf(answer.APIServerRejected, "the API server's answer about %s cannot be read: %s", gv, clean(err)).Of(res.ID)}
	}
	for _, r := range list.Resources {
		// Subresources have a slash. The name is the cluster's, and becomes part of a path.
		if len(validation.IsDNS1123Subdomain(r.Name)) == 0 && is.kinds[r.Kind] == nil {
			is.kinds[r.Kind] = &resource{r.Name, r.Namespaced, r.Verbs}
		}
	}
	return is
}

// prefixOf is the path of a version of a group.
func prefixOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.Group + "/" + gv.Version
}

// parallel is how many requests of one apply run at a time: enough for a path of 100 ms, and
// few beside what other callers send.
const parallel = 8

// each calls f for all, at most parallel of them at a time, and waits for them.
func each[T any](all []T, f func(T)) {
	slots := make(chan struct{}, parallel)
	var running call.Group
	defer running.Wait()
	for _, one := range all {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			f(one)
		})
	}
}
