package directory

import (
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// InstanceSettings is how an instance that is not gone stands to settings.
type InstanceSettings struct {
	Name string
	// State is what it tells; nil: it takes no settings. It must not be changed.
	State *subjects.SettingsState
	// Leaving says that it takes no more requests, or speaks another version of the
	// protocol: there is no use in sending it settings.
	Leaving bool
}

// AppendSettings appends how the instances of a cluster stand to settings. It is cheap,
// since it is asked for many clusters, many times. heard is false while the link is down:
// nothing is known of instances then.
func (d *Directory) AppendSettings(list []InstanceSettings, clusterName string) (_ []InstanceSettings, heard bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.link.up() {
		return list, false
	}
	c := d.lookup(clusterName, now)
	if c == nil {
		return list, true
	}
	for _, in := range c.instances {
		if gone, _ := d.gone(in, now); !gone {
			p := &in.presence
			list = append(list, InstanceSettings{Name: in.name, State: p.Settings, Leaving: p.State != subjects.PresenceUp || !p.Compatible()})
		}
	}
	return list, true
}
