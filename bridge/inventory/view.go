package inventory

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// looks is what a cluster's view depends on beside the cluster.
type looks struct {
	operators map[string]string // the labels that the operator gives it
	version   string            // of the bridge
	now       time.Time
	last      record // what was known of it, for one that is not connected
}

// view is a cluster as the API shows it. Its instances are in room, where they find some.
func view(ref subjects.ClusterRef, c *directory.Cluster, l looks, room []api.Instance) api.Cluster {
	if room == nil {
		room = []api.Instance{} // as JSON none are [], not null
	}
	v := api.Cluster{
		Name: ref.String(), Tenant: ref.Tenant, Cluster: ref.Cluster,
		State: string(c.State), LastSeen: timePtr(c.LastSeen), Labels: labelsOf(c, l.last.Labels, l.operators), Instances: slices.Grow(room[:0], len(c.Instances))[:len(c.Instances)],
	}
	if c.State == directory.Offline || c.State == directory.Reconnecting {
		v.OfflineSince = v.LastSeen
	}
	for i := range c.Instances {
		in := &c.Instances[i]
		v.Instances[i] = instance(in, l.version)
		if p := &in.Presence; p.Kubernetes != "" {
			v.Kubernetes, v.Distribution = p.Kubernetes, distribution(p.Kubernetes)
		}
		d := in.Presence.Detail
		if d == nil {
			continue
		}
		if d.Platform != "" {
			v.Platform = d.Platform
		}
		if d.Expires != nil && (v.CredentialExpires == nil || d.Expires.Before(*v.CredentialExpires)) {
			v.CredentialExpires = d.Expires
		}
	}
	if len(c.Instances) == 0 && l.last.Kubernetes != "" {
		v.Kubernetes, v.Distribution = l.last.Kubernetes, distribution(l.last.Kubernetes)
	}
	if len(c.Instances) == 0 {
		v.Platform = l.last.Platform
	}
	v.Warnings = warnings(&v, l.now)
	return v
}

func instance(in *directory.InstanceInfo, bridge string) api.Instance {
	p := &in.Presence
	v := api.Instance{
		Name: in.Name, State: string(p.State), Compatible: p.Compatible(), Version: p.Version,
		Started: timePtr(p.Started), LastSeen: in.LastSeen.UTC(),
		Kubernetes: p.Kubernetes, APIServerReachable: p.Reachable, Streams: p.Streams,
		LastFailure: failureOf(p), VersionSkew: versionSkew(p.Version, bridge),
	}
	if d := p.Detail; d != nil {
		v.Pod, v.Node, v.Broker, v.ConnectedSince, v.RTTMicroseconds = d.Pod, d.Node, d.Broker, d.Connected, d.RTT
		v.Requests, v.BytesUp, v.BytesDown, v.CredentialExpires = d.Requests, d.Up, d.Down, d.Expires
	}
	return v
}

// labelsOf are the labels of a cluster: those that its agent tells, of several instances the
// one that started last, and of none what was told before; and over them the operator's.
func labelsOf(c *directory.Cluster, before, operators map[string]string) map[string]string {
	told := before
	var started time.Time
	for i := range c.Instances {
		if p := &c.Instances[i].Presence; i == 0 || p.Started.After(started) {
			told, started = p.Labels, p.Started
		}
	}
	switch {
	case len(told) == 0:
		return operators
	case len(operators) == 0:
		return told
	}
	all := maps.Clone(told)
	maps.Copy(all, operators)
	return all
}

// expiresSoon is how long before its end a credential is warned of.
const expiresSoon = 30 * 24 * time.Hour

// warnings are what an operator should look at, one sentence each.
func warnings(v *api.Cluster, now time.Time) (all []string) {
	add := func(text string) {
		if text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if at := v.CredentialExpires; at != nil && at.Sub(now) < expiresSoon {
		add("the agent's credential expires on " + at.Format(time.RFC3339))
	}
	for i := range v.Instances {
		in := &v.Instances[i]
		add(in.VersionSkew)
		if in.Compatible && !in.APIServerReachable {
			add("an agent does not reach its API server")
		}
	}
	return all
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
