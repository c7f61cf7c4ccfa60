package inventory

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

// record is what bridges keep of a cluster in the shared store, or a bridge without one in
// memory: what events are told by, and what is shown of a cluster that is not connected.
type record struct {
	// Epoch grows with each event-worthy change. Bridges that see the same change name its
	// events by the same epoch, so that the log keeps one of each.
	Epoch     uint64    `json:"epoch"`
	Connected bool      `json:"connected"`
	LastSeen  time.Time `json:"lastSeen"`
	// Degraded is why requests may fail though an agent is connected, "" if nothing is
	// known.
	Degraded string `json:"degraded,omitempty"`
	// Instances are those that are connected, sorted. Want is how many there were before
	// one was lost, and LostAt when.
	Instances []string  `json:"instances,omitempty"`
	Want      int       `json:"want,omitempty"`
	LostAt    time.Time `json:"lostAt,omitzero"`
	// ExpiresAt is the expiry that was told, Days before it; Skew is the version of the
	// agent whose skew was told.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	Days      int       `json:"days,omitempty"`
	Skew      string    `json:"skew,omitempty"`

	Kubernetes string            `json:"kubernetes,omitempty"`
	Platform   string            `json:"platform,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// maxKept bounds the instances of a record, as a directory does.
const maxKept = 64

var errRecord = errors.New("not a record of a cluster")

// parseRecord reads a value of the store, which holds what agents have told.
func parseRecord(value []byte) (r record, err error) {
	if json.Unmarshal(value, &r) != nil || len(r.Instances) > maxKept || r.Want < 0 || r.Want > maxKept {
		return record{}, errRecord
	}
	for _, name := range r.Instances {
		if subjects.CheckName(name) != nil {
			return record{}, errRecord
		}
	}
	if subjects.CheckLabels(r.Labels) != nil {
		r.Labels = nil
	}
	p := subjects.Detail{Platform: r.Platform, Pod: r.Kubernetes, Node: r.Skew, Broker: r.Degraded}
	clean := p.Clean()
	r.Platform, r.Kubernetes, r.Skew, r.Degraded = clean.Platform, clean.Pod, clean.Node, clean.Broker
	for _, at := range []*time.Time{&r.LastSeen, &r.LostAt, &r.ExpiresAt} {
		if *at = at.UTC(); at.Year() < 0 || at.Year() > 9999 {
			return record{}, errRecord
		}
	}
	return r, nil
}

// value is the record as the store keeps it.
func (r *record) value() []byte {
	b, err := json.Marshal(r)
	if err != nil { // times within the years that JSON has, and texts
		panic("inventory: " + err.Error())
	}
	return b
}

// describe takes over what the instances tell for the time after them.
func (r *record) describe(c *directory.Cluster) {
	r.Labels = maps.Clone(labelsOf(c, nil, nil))
	for i := range c.Instances {
		p := &c.Instances[i].Presence
		if p.Kubernetes != "" {
			r.Kubernetes = p.Kubernetes
		}
		if p.Detail != nil && p.Detail.Platform != "" {
			r.Platform = p.Detail.Platform
		}
	}
}

// same reports whether both say the same but for when the cluster was last seen.
func (r *record) same(s *record) bool {
	return r.Epoch == s.Epoch && r.Connected == s.Connected && r.Degraded == s.Degraded && slices.Equal(r.Instances, s.Instances) &&
		r.Want == s.Want && r.LostAt.Equal(s.LostAt) && r.ExpiresAt.Equal(s.ExpiresAt) && r.Days == s.Days && r.Skew == s.Skew &&
		r.Kubernetes == s.Kubernetes && r.Platform == s.Platform && maps.Equal(r.Labels, s.Labels)
}
