package ui

import (
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
)

// clusterPage is what the page of a cluster shows.
type clusterPage struct {
	api.Cluster
	Problem  *answer.Failure // why nothing is known of it; nil: something is
	Failures []failure
	Events   []api.Event // newest first
}

// maxEvents is how many events a page shows.
const maxEvents = 20

// failure is the latest failure that an agent has told.
type failure struct {
	Instance string
	*api.LastFailure
}

// cluster answers with the page of a cluster.
func (v *visit) cluster(name string) {
	visit, f := v.cfg.Door.Visit(v.r, v.rec, name)
	if f != nil {
		v.failCluster(f)
		return
	}
	p := &clusterPage{}
	f = v.ask("/v1/clusters/"+name, nil, &p.Cluster)
	switch {
	case f == nil:
	case f.Kind.Status != http.StatusServiceUnavailable:
		v.failCluster(f)
		return
	default:
		p.Name, p.Problem = visit.Cluster.String(), f
	}
	for i := range p.Instances {
		if in := &p.Instances[i]; in.LastFailure != nil {
			p.Failures = append(p.Failures, failure{in.Name, in.LastFailure})
		}
	}
	p.Events = v.cfg.Events.Recent(&events.Filter{Clusters: []subjects.ClusterRef{visit.Cluster}}, maxEvents)
	v.render(http.StatusOK, clusterTemplate, p.Name, p)
}

// failCluster hides whether there is a cluster that the visitor may not know of.
func (v *visit) failCluster(f *answer.Failure) {
	switch f.Kind {
	case answer.Forbidden, answer.BadClusterName, answer.UnknownCluster:
		f = answer.Failf(answer.NotFound, "there is no such cluster, or you may not see it")
	}
	v.fail(f)
}
