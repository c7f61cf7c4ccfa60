package api

import "time"

// EventType is what an [Event] is about: one of a list that grows. Clients ignore those
// that they do not know.
type EventType string

// The types of events. docs/events.md describes them.
const (
	EventClusterConnected     EventType = "cluster.connected"
	EventClusterDisconnected  EventType = "cluster.disconnected"
	EventClusterDegraded      EventType = "cluster.degraded"
	EventClusterRecovered     EventType = "cluster.recovered"
	EventInstanceConnected    EventType = "instance.connected"
	EventInstanceDisconnected EventType = "instance.disconnected"
	EventCredentialExpiring   EventType = "credential.expiring"
	EventVersionSkew          EventType = "version.skew"
	EventSettingsChanged      EventType = "settings.changed"
	EventSettingsApplied      EventType = "settings.applied"
	EventSettingsRejected     EventType = "settings.rejected"
	EventOperationQueued      EventType = "operation.queued"
	EventOperationStarted     EventType = "operation.started"
	EventOperationSucceeded   EventType = "operation.succeeded"
	EventOperationFailed      EventType = "operation.failed"
	EventOperationCanceled    EventType = "operation.canceled"
	EventOperationExpired     EventType = "operation.expired"
	EventEventsLost           EventType = "events.lost"
)

// Event is something that happened to a cluster, as GET /v1/events and webhooks have it.
type Event struct {
	// ID is where the event is in the log. It is opaque: it is compared with nothing, and
	// sent back as Last-Event-ID or ?after= to read on.
	ID   string    `json:"id"`
	Type EventType `json:"type"`
	// Time is when it happened, by the clock of the bridge that saw it.
	Time time.Time `json:"time"`
	// Name is how the cluster is written everywhere: prod or prod.tenant.
	Name    string `json:"name"`
	Tenant  string `json:"tenant"`
	Cluster string `json:"cluster"`
	// Instance is the agent that it is about, "" if it is about the cluster.
	Instance string `json:"instance,omitempty"`
	// Operation is the id of the operation that it is about.
	Operation string `json:"operation,omitempty"`
	// Cause is why it happened, where that is known: a code.
	Cause string `json:"cause,omitempty"`
	// Detail is one line for people.
	Detail string `json:"detail,omitempty"`
}

// EventList is the answer to GET /v1/events?follow=false.
type EventList struct {
	Events []Event `json:"events"`
	// Next is what to send as ?after= for what follows.
	Next string `json:"next"`
	// More says that events follow that exist already.
	More bool `json:"more"`
	// Reset says that the events between ?after= and these are no longer kept, if there
	// were any.
	Reset bool `json:"reset,omitempty"`
}

// EventsEnd is the data of the event "end", with which the bridge ends a stream of events.
type EventsEnd struct {
	// Code is one of those of [Problem].
	Code   string `json:"code"`
	Detail string `json:"detail"`
}
