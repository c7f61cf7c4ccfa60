package events

import (
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// Event is an event of the log.
type Event = api.Event

// Type is what an event is about.
type Type = api.EventType

// Description is a row of the table of types.
type Description struct {
	Type Type
	// Means is one sentence for people; docs/events.md has it.
	Means string
}

var table = []Description{
	{api.EventClusterConnected, "The first agent of the cluster is connected."},
	{api.EventClusterDisconnected, "The last agent of the cluster is gone; `cause` says how it went."},
	{api.EventClusterDegraded, "An agent is connected, and requests to the cluster fail; `cause` says why."},
	{api.EventClusterRecovered, "Requests to the cluster succeed again."},
	{api.EventInstanceConnected, "An agent instance is connected."},
	{api.EventInstanceDisconnected, "An agent instance is gone; `cause` says how it went."},
	{api.EventCredentialExpiring, "The agent's credential expires within 30, 7 or 1 days."},
	{api.EventVersionSkew, "The agent's version is too far from the bridge's."},
	{api.EventSettingsChanged, "Somebody has changed the settings of the cluster's agents."},
	{api.EventSettingsApplied, "An agent has applied the settings. `cause` is `partly` if the owner has fixed some of them, which `detail` lists."},
	{api.EventSettingsRejected, "An agent has rejected the settings; `detail` says why."},
	{api.EventOperationQueued, "An operation waits for the cluster."},
	{api.EventOperationStarted, "An operation is being executed."},
	{api.EventOperationSucceeded, "An operation has succeeded."},
	{api.EventOperationFailed, "An operation has failed; `cause` and `detail` say why."},
	{api.EventOperationCanceled, "An operation was canceled before it began."},
	{api.EventOperationExpired, "An operation was not executed in time."},
	{api.EventEventsLost, "Events of the cluster before this one could not be kept; `detail` says how many."},
}

// Types describes every type, in the order of the documentation.
func Types() []Description { return slices.Clone(table) }

// Known reports whether there is such a type.
func Known(t Type) bool {
	return slices.ContainsFunc(table, func(d Description) bool { return d.Type == t })
}

// Matching returns the types that a text names: one, or all of a group, such as
// operation.*; none if it is neither.
func Matching(s string) (all []Type) {
	group, wild := strings.CutSuffix(s, "*")
	for _, d := range table {
		if string(d.Type) == s || wild && strings.HasSuffix(group, ".") && strings.HasPrefix(string(d.Type), group) {
			all = append(all, d.Type)
		}
	}
	return all
}
