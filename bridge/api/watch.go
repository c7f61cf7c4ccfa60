package api

import (
	"encoding/json"
	"time"
)

// WatchLine is a line of GET /v1/watch. It has an event, a state, a heartbeat or the
// summary, which is the last line.
type WatchLine struct {
	// Cluster is the one of the event or the state.
	Cluster string      `json:"cluster,omitempty"`
	Event   *WatchEvent `json:"event,omitempty"`
	// State is one of the constants below; "": the line has none.
	State string `json:"state,omitempty"`
	// ResourceVersion is where the watch of the cluster begins or goes on, with
	// WatchStarted and WatchResumed.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Problem is why there are no events, with WatchWaiting and WatchEnded.
	Problem *Problem `json:"problem,omitempty"`
	// Heartbeat is the time of the bridge, on a line of its own every 30 seconds.
	Heartbeat *time.Time    `json:"heartbeat,omitempty"`
	Summary   *WatchSummary `json:"summary,omitempty"`
}

// States of a cluster in a [WatchLine].
const (
	// WatchStarted: what there is was told, as events ADDED; what comes now has happened.
	WatchStarted = "started"
	// WatchWaiting: there are no events until the cluster is back.
	WatchWaiting = "waiting"
	// WatchResumed: the events go on where they ended; none is missing.
	WatchResumed = "resumed"
	// WatchReset: what was told of the cluster is void, and comes again, up to the next
	// WatchStarted.
	WatchReset = "reset"
	// WatchEnded: no more comes of the cluster.
	WatchEnded = "ended"
)

// WatchEvent is an event of a watch of Kubernetes.
type WatchEvent struct {
	// Type is ADDED, MODIFIED or DELETED.
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// WatchSummary is why the stream ended.
type WatchSummary struct {
	// Problem is nil if each cluster has ended by itself.
	Problem *Problem `json:"problem,omitempty"`
}
