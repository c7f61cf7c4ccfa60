package inventory

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

// Selection says which clusters are meant. The zero value: all.
type Selection struct {
	// Labels is what their labels must match; nil: anything.
	Labels labels.Selector
	// Tenant is the only one; "": any.
	Tenant string
	// State is the only one; "": any.
	State directory.State
}

// online is another name of [directory.Connected] in requests.
const online = "online"

// states are those that a cluster of a list can have.
var states = []directory.State{
	directory.Connected, directory.Draining, directory.Incompatible, directory.Reconnecting,
	directory.Offline, directory.NeverConnected, directory.Disconnected,
}

// maxSelector bounds a label selector in bytes.
const maxSelector = 4 << 10

// parseState reads a state; "" is any.
func parseState(s string) (directory.State, *answer.Failure) {
	if s == online {
		return directory.Connected, nil
	}
	if s != "" && !slices.Contains(states, directory.State(s)) {
		known := make([]string, len(states))
		for i, k := range states {
			known[i] = string(k)
		}
		return "", answer.Failf(answer.BadRequest, "state: %q is not one of %s, %s", answer.Clip(s), online, strings.Join(known, ", "))
	}
	return directory.State(s), nil
}

// parseSelector reads a label selector as Kubernetes writes them, such as
// "env=prod,region in (eu,us),!legacy"; "" selects everything. parameter is what the
// caller calls it.
func parseSelector(parameter, s string) (labels.Selector, *answer.Failure) {
	if len(s) > maxSelector {
		return nil, answer.Failf(answer.BadRequest, "%s: longer than %d bytes", parameter, maxSelector)
	}
	l, err := labels.Parse(s)
	if err != nil {
		return nil, answer.Failf(answer.BadRequest, "%s: %s; want such as env=prod,region in (eu,us),!legacy", parameter, answer.Clip(err.Error()))
	}
	return l, nil
}

// ParseSelection reads what clusters have in common: a label selector, a tenant and a
// state, of which "" is any. parameter is what the caller calls the selector.
func ParseSelection(parameter, selector, tenant, state string) (*Selection, *answer.Failure) {
	l, f := parseSelector(parameter, selector)
	if f != nil {
		return nil, f
	}
	if tenant != "" && subjects.CheckName(tenant) != nil {
		return nil, answer.Failf(answer.BadRequest, "tenant: %q is not the name of a tenant", answer.Clip(tenant))
	}
	is, f := parseState(state)
	if f != nil {
		return nil, f
	}
	return &Selection{Labels: l, Tenant: tenant, State: is}, nil
}

// state reports whether a cluster in a state is meant.
func (s *Selection) state(is directory.State) bool { return s.State == "" || s.State == is }

// labels reports whether a cluster with these labels is meant.
func (s *Selection) labels(has map[string]string) bool {
	return s.Labels == nil || s.Labels.Matches(labels.Set(has))
}
