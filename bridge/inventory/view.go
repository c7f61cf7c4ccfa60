package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// view is a cluster as the API shows it. operators are the labels that the operator gives it.
func view(ref subjects.ClusterRef, c *directory.Cluster, operators map[string]string) api.Cluster {
	v := api.Cluster{
		Name: ref.String(), Tenant: ref.Tenant, Cluster: ref.Cluster,
		State: string(c.State), LastSeen: timePtr(c.LastSeen), Labels: operators, Instances: []api.Instance{},
	}
	if c.State == directory.Offline || c.State == directory.Reconnecting {
		v.OfflineSince = v.LastSeen
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
			LastFailure: failureOf(p),
		})
	}
	return v
}

// failureOf is why an instance cannot be used or, if it can, its latest failure.
func failureOf(p *subjects.Presence) *api.LastFailure {
	if p.Compatible() {
		return lastFailure(p.LastCause)
	}
	id := cause.ProtocolMismatch // the bridge is the older one
	if p.Protocol[1] < subjects.MinVersion {
		id = cause.AgentTooOld
	}
	return &api.LastFailure{
		Hop: string(cause.NATS), Cause: string(id), Title: id.Info().Title, At: p.Started,
		Detail: fmt.Sprintf("the bridge speaks protocol versions %d to %d, this agent %d to %d", subjects.MinVersion, subjects.Version, p.Protocol[0], p.Protocol[1]),
	}
}

// lastFailure is what an agent tells of its latest failure, by this bridge's catalogue.
func lastFailure(c *subjects.LastCause) *api.LastFailure {
	if c == nil {
		return nil
	}
	info := cause.ID(c.Cause).Info()
	f := &api.LastFailure{Hop: c.Hop, Cause: string(info.ID), Title: info.Title, At: c.At, Detail: c.Text}
	if !slices.Contains(cause.Hops(), cause.Hop(c.Hop)) {
		f.Hop = "unknown"
	}
	return f
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
