package settings

import (
	"cmp"
	"slices"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
)

// stateOf is what has become of a document at an instance.
func stateOf(doc *stored, in *directory.InstanceSettings) api.SettingsState {
	s := in.State
	switch {
	case s == nil:
		return api.SettingsUnsupported
	case s.Revision == doc.revision && len(s.Overridden) > 0:
		return api.SettingsPartly
	case s.Revision == doc.revision, doc.Deleted && s.Revision == "":
		return api.SettingsApplied
	case s.Refused == doc.revision:
		return api.SettingsRefused
	}
	return api.SettingsPending
}

// worst are states in the order in which they count for a cluster with several instances:
// there is no use in waiting for the others once one has refused.
var worst = [...]api.SettingsState{
	api.SettingsRefused, api.SettingsPending, api.SettingsUnsupported, api.SettingsPartly, api.SettingsApplied,
}

// together is the state of a cluster with these instances. Those that are leaving count
// only where there are no others.
func together(doc *stored, instances []directory.InstanceSettings) api.SettingsState {
	staying, leaving := len(worst), len(worst)
	for i := range instances {
		n := slices.Index(worst[:], stateOf(doc, &instances[i]))
		if instances[i].Leaving {
			leaving = min(leaving, n)
		} else {
			staying = min(staying, n)
		}
	}
	if staying == len(worst) {
		staying = leaving
	}
	if staying == len(worst) {
		return api.SettingsOffline
	}
	return worst[staying]
}

// view is a document as the API shows it. heard says that the instances are known.
func view(doc *stored, instances []directory.InstanceSettings, heard bool) *api.ClusterSettings {
	v := &api.ClusterSettings{
		Name: doc.ref.String(), Tenant: doc.ref.Tenant, Cluster: doc.ref.Cluster, Revision: doc.revision, Settings: doc.Settings,
		ChangedBy: doc.By, ChangedAt: doc.At.UTC(), State: api.SettingsUnknown,
	}
	if !heard {
		return v
	}
	v.State = together(doc, instances)
	for i := range instances {
		in := api.InstanceSettings{Name: instances[i].Name, State: stateOf(doc, &instances[i])}
		if s := instances[i].State; s != nil {
			in.Revision, in.Accepts, in.Overridden, in.Refused, in.Error = s.Revision, s.Accepts, s.Overridden, s.Refused, s.Error
		}
		v.Instances = append(v.Instances, in)
	}
	slices.SortFunc(v.Instances, func(a, b api.InstanceSettings) int { return cmp.Compare(a.Name, b.Name) })
	return v
}
