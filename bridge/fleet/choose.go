package fleet

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/subjects"
)

// Inventory knows which clusters there are. It is safe for concurrent use.
type Inventory interface {
	// List returns the clusters that are selected and that the visitor may know of.
	List(ctx context.Context, v *access.Visitor, s *inventory.Selection) (*api.ClusterList, *answer.Failure)
}

// target is a cluster of a call.
type target struct {
	name string // as the caller wrote it
	ref  subjects.ClusterRef
	// valid: name is the name of a cluster.
	valid bool
}

// choice is which clusters a caller means.
type choice struct {
	targets   []target             // those that are named
	selection *inventory.Selection // nil: they are named
}

// choose reads which clusters are meant: by their names, or by what they have in common.
func choose(names []string, selector *string, tenant, state string) (*choice, *answer.Failure) {
	if selector == nil && tenant == "" && state == "" {
		targets, f := named(names)
		return &choice{targets: targets}, f
	}
	if names != nil {
		return nil, answer.Failf(answer.BadRequest, "clusters: give their names, or a selector, tenant or state, but not both")
	}
	labels := ""
	if selector != nil {
		labels = *selector
	}
	s, f := inventory.ParseSelection("selector", labels, tenant, state)
	if f != nil {
		return nil, f
	}
	return &choice{selection: s}, nil
}

// named reads the names of a call. A cluster that is named twice, under whatever name, is
// refused, since nothing is executed twice. Names of the wrong form get a line of their own.
func named(names []string) ([]target, *answer.Failure) {
	switch {
	case len(names) == 0:
		return nil, answer.Failf(answer.BadRequest, `clusters: none given; want their names, such as %s, or a selector: "" selects every cluster`, example)
	case len(names) > maxClusters:
		return nil, answer.Failf(answer.BadRequest, "clusters: %d names, want at most %d", len(names), maxClusters)
	}
	all := make([]target, 0, len(names))
	seen := make(map[subjects.ClusterRef]string, len(names))
	for _, name := range names {
		ref, err := subjects.ParseClusterRef(name)
		all = append(all, target{name: name, ref: ref, valid: err == nil})
		if err != nil {
			continue
		}
		if before, twice := seen[ref]; twice && before == name {
			return nil, answer.Failf(answer.BadRequest, "clusters: %q is named twice", answer.Clip(name))
		} else if twice {
			return nil, answer.Failf(answer.BadRequest, "clusters: %q and %q are the same cluster", answer.Clip(before), answer.Clip(name))
		}
		seen[ref] = name
	}
	return all, nil
}

// found are the clusters that are meant.
type found struct {
	targets     []target
	unavailable []api.TenantFault // tenants of which some may be missing
}

// find finds the clusters that are meant.
func (c *choice) find(ctx context.Context, i Inventory, v *access.Visitor) (*found, *answer.Failure) {
	if c.selection == nil {
		return &found{targets: c.targets}, nil
	}
	list, f := i.List(ctx, v, c.selection)
	if f != nil {
		return nil, f
	}
	if n := len(list.Clusters); n > maxClusters {
		return nil, answer.Failf(answer.BadRequest, "%d clusters are selected, want at most %d: name a tenant, or select fewer by labels", n, maxClusters)
	}
	all := &found{targets: make([]target, len(list.Clusters)), unavailable: list.Unavailable}
	for n := range list.Clusters {
		one := &list.Clusters[n]
		all.targets[n] = target{name: one.Name, ref: subjects.ClusterRef{Tenant: one.Tenant, Cluster: one.Cluster}, valid: true}
	}
	return all, nil
}
