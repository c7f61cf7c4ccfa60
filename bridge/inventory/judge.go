package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
)

// Causes of events. docs/inventory.md lists them.
const (
	causeGoodbye      = "goodbye"                // the agent said that it stops
	causeLost         = "lost"                   // it vanished
	causeNotHeard     = "not-heard"              // it was gone when this bridge began to listen
	causeInstanceLost = "instance-lost"          // of several
	causeUnreachable  = "api-server-unreachable" // for every agent
	causeIncompatible = "incompatible"           // no agent speaks a protocol of this bridge
)

const (
	// seenInterval is the time after which another time at which a cluster was seen is worth
	// keeping. Bridges look every minute; another one may just have kept it.
	seenInterval = 55 * time.Second
	// othersHear is how much later than by this bridge a cluster must have been seen by
	// another one, for this one not to say that it is gone.
	othersHear = 10 * time.Second
	// lostFor is how long a lost instance counts as missing: there may be fewer by now.
	lostFor = time.Hour
	// maxTold bounds the events of instances of one judgment.
	maxTold = 16
)

// told is an event and what names it among those of the same change.
type told struct {
	event  events.Event
	dedupe string
}

// judgment compares a record with what a directory says.
type judgment struct {
	ref    subjects.ClusterRef
	was    record
	now    record
	at     time.Time
	bridge string // its version
	events []told
}

// judge says what has become of a cluster, and what is to be told of that. c is not one of a
// directory whose link is down, nor within the grace of a lost agent.
func judge(ref subjects.ClusterRef, was record, c *directory.Cluster, at time.Time, bridge string) *judgment {
	j := &judgment{ref: ref, was: was, now: was, at: at.UTC(), bridge: bridge}
	if c.LastSeen.After(was.LastSeen) {
		j.now.LastSeen = c.LastSeen.UTC()
	}
	if len(c.Instances) == 0 && was.LastSeen.Sub(c.LastSeen) > othersHear && at.Sub(was.LastSeen) < seenInterval+othersHear {
		j.now = was
		return j // another bridge hears it
	}
	j.connection(c)
	j.instances(c)
	if len(c.Instances) > 0 {
		j.now.describe(c)
		j.health(c)
		j.credential(c)
		j.skew(c)
	} else {
		j.now.Degraded, j.now.Want, j.now.LostAt = "", 0, time.Time{}
	}
	if len(j.events) > 0 {
		j.now.Epoch++
	}
	return j
}

// worth reports whether the new record is worth keeping.
func (j *judgment) worth() bool {
	return !j.now.same(&j.was) || j.now.LastSeen.Sub(j.was.LastSeen) >= seenInterval
}

func (j *judgment) tell(kind events.Type, instance, cause, detail string) {
	j.events = append(j.events, told{
		event: events.Event{
			Type: kind, Time: j.at, Tenant: j.ref.Tenant, Cluster: j.ref.Cluster, Instance: instance, Cause: cause, Detail: detail,
		},
		dedupe: "inventory/" + strconv.FormatUint(j.was.Epoch, 10) + "/" + instance,
	})
}

// connection notices the first agent and that the last one is gone.
func (j *judgment) connection(c *directory.Cluster) {
	switch j.now.Connected = len(c.Instances) > 0; {
	case j.now.Connected == j.was.Connected:
	case j.now.Connected:
		j.tell(api.EventClusterConnected, "", "", "")
	default:
		cause := causeLost
		switch {
		case c.LastSeen.IsZero() || c.Recalled && len(c.Parted) == 0:
			cause = causeNotHeard
		case slices.ContainsFunc(c.Parted, func(name string) bool { return slices.Contains(j.was.Instances, name) }):
			cause = causeGoodbye
		}
		j.tell(api.EventClusterDisconnected, "", cause, "last heard at "+j.now.LastSeen.Format(time.RFC3339))
	}
}

// instances notices which came and went.
func (j *judgment) instances(c *directory.Cluster) {
	j.now.Instances = make([]string, 0, len(c.Instances))
	for i := range c.Instances {
		name := c.Instances[i].Name
		j.now.Instances = append(j.now.Instances, name)
		if !slices.Contains(j.was.Instances, name) && len(j.events) < maxTold {
			j.tell(api.EventInstanceConnected, name, "", c.Instances[i].Presence.Version)
		}
	}
	if len(j.now.Instances) == 0 {
		j.now.Instances = nil
	}
	lost := false
	for _, name := range j.was.Instances {
		if slices.Contains(j.now.Instances, name) {
			continue
		}
		cause := causeGoodbye
		if !slices.Contains(c.Parted, name) {
			cause, lost = causeLost, true
		}
		if len(j.events) < maxTold {
			j.tell(api.EventInstanceDisconnected, name, cause, "")
		}
	}
	n := len(j.now.Instances)
	switch {
	case lost:
		j.now.Want, j.now.LostAt = max(j.was.Want, len(j.was.Instances)), j.at
	case n < len(j.was.Instances), n >= j.was.Want, j.at.Sub(j.was.LostAt) >= lostFor:
		j.now.Want, j.now.LostAt = 0, time.Time{} // so many are meant to be there
	}
}

// health notices that requests may fail, and that they do not any more.
func (j *judgment) health(c *directory.Cluster) {
	reached, compatible := false, false
	for i := range c.Instances {
		p := &c.Instances[i].Presence
		compatible = compatible || p.Compatible()
		reached = reached || p.Compatible() && p.Reachable
	}
	detail := ""
	switch {
	case !compatible:
		j.now.Degraded = causeIncompatible
	case !reached:
		j.now.Degraded = causeUnreachable
		if f := lastFailure(c.Instances[0].Presence.LastCause); f != nil {
			detail = f.Title
		}
	case j.now.Want > len(c.Instances):
		j.now.Degraded = causeInstanceLost
		detail = fmt.Sprintf("%d of %d agents are connected", len(c.Instances), j.now.Want)
	default:
		j.now.Degraded = ""
	}
	switch {
	case j.now.Degraded == j.was.Degraded:
	case j.now.Degraded == "":
		j.tell(api.EventClusterRecovered, "", j.was.Degraded, "")
	default:
		j.tell(api.EventClusterDegraded, "", j.now.Degraded, detail)
	}
}

// expiries are how many days before the end of a credential it is told, the least first.
var expiries = []int{1, 7, 30}

// credential notices that the credential that ends first is about to.
func (j *judgment) credential(c *directory.Cluster) {
	var at time.Time
	for i := range c.Instances {
		if d := c.Instances[i].Presence.Detail; d != nil && d.Expires != nil && (at.IsZero() || d.Expires.Before(at)) {
			at = *d.Expires
		}
	}
	days := 0
	if !at.IsZero() {
		for _, d := range expiries {
			if at.Sub(j.at) <= time.Duration(d)*24*time.Hour {
				days = d
				break
			}
		}
	}
	if days > 0 && (!at.Equal(j.was.ExpiresAt) || j.was.Days == 0 || days < j.was.Days) {
		j.tell(api.EventCredentialExpiring, "", strconv.Itoa(days)+"d", "the agent's credential expires on "+at.Format(time.RFC3339))
	}
	if days > 0 || !at.Equal(j.was.ExpiresAt) {
		j.now.ExpiresAt, j.now.Days = at, days
	}
}

// skew notices an agent whose version is too far from this bridge's. It is told once for
// each version of an agent, so that bridges of two versions do not take turns.
func (j *judgment) skew(c *directory.Cluster) {
	for i := range c.Instances {
		in := &c.Instances[i]
		if text := versionSkew(in.Presence.Version, j.bridge); text != "" && in.Presence.Version != j.was.Skew {
			j.now.Skew = in.Presence.Version
			j.tell(api.EventVersionSkew, in.Name, "", text)
			return
		}
	}
}
