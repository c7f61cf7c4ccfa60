package api

// ObjectReference names an object of Kubernetes.
type ObjectReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// ApplyLine is one line of the response of POST /v1/clusters/{cluster}/apply: results as
// they happen, and the summary last. A response without a summary was cut off.
type ApplyLine struct {
	Result  *ApplyResult  `json:"result,omitempty"`
	Summary *ApplySummary `json:"summary,omitempty"`
}

// Actions of [ApplyResult].
const (
	ApplyCreated    = "created"
	ApplyConfigured = "configured" // it was changed, or whether it was is not known
	ApplyUnchanged  = "unchanged"
	ApplyPruned     = "pruned"
	ApplyFailed     = "failed"
)

// ApplyResult is what became of one object.
type ApplyResult struct {
	Object ObjectReference `json:"object"`
	Action string          `json:"action"`
	// Status is what the API server answered; 0: it did not.
	Status int `json:"status,omitempty"`
	// Warnings are those of the API server.
	Warnings []string `json:"warnings,omitempty"`
	// Problem says why it failed.
	Problem *Problem `json:"problem,omitempty"`
}

// ApplySummary is what became of all objects.
type ApplySummary struct {
	Created    int    `json:"created"`
	Configured int    `json:"configured"`
	Unchanged  int    `json:"unchanged"`
	Pruned     int    `json:"pruned"`
	Failed     int    `json:"failed"`
	DryRun     bool   `json:"dryRun,omitempty"`
	Duration   string `json:"duration"` // a Go duration
	// NotPruned says why nothing was pruned though it was asked for.
	NotPruned string `json:"notPruned,omitempty"`
}
