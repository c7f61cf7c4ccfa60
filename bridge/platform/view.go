package platform

import (
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

// view is a cluster as the API shows it.
func view(ref subjects.ClusterRef, c directory.Cluster) api.Cluster {
	v := api.Cluster{
		Name: ref.String(), Tenant: ref.Tenant, Cluster: ref.Cluster,
		State: string(c.State), LastSeen: timePtr(c.LastSeen), Instances: []api.Instance{},
	}
	for i := range c.Instances {
		in := &c.Instances[i]
		p := &in.Presence
		if p.Kubernetes != "" {
			v.Kubernetes = p.Kubernetes
		}
		v.Instances = append(v.Instances, api.Instance{
			Name: in.Name, State: string(p.State), Compatible: p.Compatible(), Version: p.Version,
			Started: timePtr(p.Started), LastSeen: in.LastSeen.UTC(),
			Kubernetes: p.Kubernetes, APIServerReachable: p.Reachable, Streams: p.Streams,
		})
	}
	return v
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
