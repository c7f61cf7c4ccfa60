package apply

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

// Bounds of waiting for definitions of kinds. An API server establishes one within a second
// or two, and serves its kind a moment later.
const (
	maxEstablish = time.Minute
	pollEvery    = 500 * time.Millisecond
)

// definitionState is a CustomResourceDefinition that was applied.
type definitionState struct {
	object      *object
	established bool
}

// defines reports whether the body defines a kind.
func (a *applier) defines(k schema.GroupKind) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.definitions[k] != nil
}

// definitionOf reads which kind a definition defines, and whether it is served.
func definitionOf(body []byte) (kind schema.GroupKind, established bool) {
	var crd struct {
		Spec struct {
			Group string
			Names struct{ Kind string }
		}
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if json.Unmarshal(body, &crd) != nil {
		return kind, false
	}
	for _, c := range crd.Status.Conditions {
		established = established || c.Type == "Established" && c.Status == "True"
	}
	return schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}, established
}

// define notes a definition that was applied. The caller holds mu.
func (a *applier) define(o *object, now *state) {
	kind, established := definitionOf(now.body)
	a.definitions[kind] = &definitionState{o, established}
}

// awaitDefinitions waits until the kinds are served that the body defines and has objects
// of. What is not served in time fails with its objects.
func (a *applier) awaitDefinitions(ctx context.Context, all []*object) {
	if a.dryRun || len(a.definitions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, maxEstablish)
	defer cancel()
	for _, d := range a.definitions {
		for !d.established && a.over(ctx) == nil {
			target, f := a.target(d.object)
			if f != nil {
				break
			}
			res, f := a.client.do(ctx, &call.Request{Method: http.MethodGet, Target: target, Header: http.Header{"Accept": {"application/json"}}})
			if f != nil || res.Status != http.StatusOK {
				break // it cannot be seen: its objects show whether it is served
			}
			if _, d.established = definitionOf(res.Body); !d.established {
				sleep.For(ctx, pollEvery)
			}
		}
	}
	for {
		missing := a.missing(all)
		if len(missing) == 0 || a.over(ctx) != nil {
			return
		}
		a.discovery.load(ctx, missing)
		if len(a.missing(all)) == 0 {
			return
		}
		sleep.For(ctx, pollEvery)
	}
}

// missing are the versions of which the body defines a kind and has objects, and that are
// not served yet.
func (a *applier) missing(all []*object) (versions []schema.GroupVersion) {
	seen := map[schema.GroupVersion]bool{}
	for _, o := range all {
		gv := o.gvk.GroupVersion()
		if known, f := a.discovery.find(o.gvk); known == nil && f == nil && a.defines(o.gvk.GroupKind()) && !seen[gv] {
			seen[gv] = true
			versions = append(versions, gv)
		}
	}
	return versions
}
