package fleet

import (
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// target is a cluster of a call.
type target struct {
	name string // as the caller wrote it
	ref  subjects.ClusterRef
	// valid: name is the name of a cluster.
	valid bool
}

// choose reads the names of a call. A cluster that is named twice, under whatever name, is
// refused, since nothing is executed twice. Names of the wrong form get a line of their own.
func choose(names []string) ([]target, *answer.Failure) {
	switch {
	case len(names) == 0:
		return nil, answer.Failf(answer.BadRequest, "clusters: none given; want their names, such as %s", example)
	case len(names) > maxClusters:
		return nil, answer.Failf(answer.BadRequest, "clusters: %d names, want at most %d", len(names), maxClusters)
	}
	all := make([]target, 0, len(names))
	named := make(map[subjects.ClusterRef]string, len(names))
	for _, name := range names {
		ref, err := subjects.ParseClusterRef(name)
		all = append(all, target{name: name, ref: ref, valid: err == nil})
		if err != nil {
			continue
		}
		if before, twice := named[ref]; twice {
			return nil, answer.Failf(answer.BadRequest, "clusters: %q and %q are the same cluster", answer.Clip(before), answer.Clip(name))
		}
		named[ref] = name
	}
	return all, nil
}
