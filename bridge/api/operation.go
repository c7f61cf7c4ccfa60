package api

import (
	"encoding/json"
	"time"
)

// OperationKind is what an [OperationSpec] does.
type OperationKind string

// The kinds of operations.
const (
	OperationApply  OperationKind = "apply"  // server-side apply
	OperationDelete OperationKind = "delete" // of one object, with preconditions
	OperationPatch  OperationKind = "patch"  // of one version of an object
)

// OperationState is where an [Operation] is.
type OperationState string

// The states. The last five are final.
const (
	OperationQueued    OperationState = "queued"
	OperationRunning   OperationState = "running"
	OperationSucceeded OperationState = "succeeded"
	OperationFailed    OperationState = "failed"
	OperationExpired   OperationState = "expired"
	OperationCanceled  OperationState = "canceled"
	// OperationUnknown: it may have been executed or not, and trying again cannot tell.
	OperationUnknown OperationState = "unknown"
)

// Final reports whether an operation in the state has ended, and does not change any more.
func (s OperationState) Final() bool { return s != OperationQueued && s != OperationRunning }

// OperationSpec is the body of POST /v1/clusters/{cluster}/operations.
type OperationSpec struct {
	Kind OperationKind `json:"kind"`
	// Path is that of one object at the API server, without a query.
	Path string `json:"path"`
	// Body is the object to apply, or the patch. It is sent as it is if it is a string, as
	// YAML is, and as JSON otherwise.
	Body json.RawMessage `json:"body,omitempty"`
	// PatchType is merge, json or strategic.
	PatchType string `json:"patchType,omitempty"`
	// FieldManager is needed to apply, and may be given for a patch.
	FieldManager string `json:"fieldManager,omitempty"`
	// Force takes over fields of other managers when applying.
	Force bool `json:"force,omitempty"`
	// Preconditions are needed to delete.
	Preconditions *OperationPreconditions `json:"preconditions,omitempty"`
	// PropagationPolicy of a delete is Foreground, Background or Orphan.
	PropagationPolicy string `json:"propagationPolicy,omitempty"`
	// TTL is until when the operation may begin, as a Go duration. Default 24h.
	TTL string `json:"ttl,omitempty"`
}

// OperationPreconditions say which object is to be deleted. At least one is needed.
type OperationPreconditions struct {
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Operation is a request that waits for its cluster, or has waited.
type Operation struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"` // of the cluster, as it is written everywhere
	Tenant  string         `json:"tenant"`
	Cluster string         `json:"cluster"`
	Kind    OperationKind  `json:"kind"`
	Path    string         `json:"path"`
	State   OperationState `json:"state"`
	// IdempotencyKey is the header with which it was made.
	IdempotencyKey string    `json:"idempotencyKey"`
	Created        time.Time `json:"created"`
	// Expires is until when it may begin.
	Expires time.Time  `json:"expires"`
	Started *time.Time `json:"started,omitempty"` // of the first attempt
	Ended   *time.Time `json:"ended,omitempty"`
	// Attempts is how often a bridge has begun to send it.
	Attempts int `json:"attempts"`
	// Caller and Issuer are who made it, Grant what let it in, and As the user as whom it
	// is executed, "" for the agent itself.
	Caller string `json:"caller"`
	Issuer string `json:"issuer,omitempty"`
	Grant  string `json:"grant"`
	As     string `json:"as,omitempty"`
	// CanceledBy is the caller who canceled it.
	CanceledBy string `json:"canceledBy,omitempty"`
	// Result is the last answer of the API server.
	Result *OperationResult `json:"result,omitempty"`
	// Problem is why the last attempt got no answer, or why there is no attempt.
	Problem *OperationProblem `json:"problem,omitempty"`
}

// OperationResult is an API server's answer.
type OperationResult struct {
	Status int `json:"status"`
	// UID and ResourceVersion are of the object in the answer.
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Body is the beginning of the answer, up to 4 KiB.
	Body      string `json:"body,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
}

// OperationProblem is why an operation has no result: a code of problem documents, and
// one sentence for people.
type OperationProblem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// OperationList is the answer to GET /v1/clusters/{cluster}/operations.
type OperationList struct {
	Operations []Operation `json:"operations"` // the newest first
	// Next is what to send as ?after= for those that follow; "": there are none.
	Next string `json:"next,omitempty"`
}
