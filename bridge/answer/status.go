package answer

import "time"

// Status is a Kubernetes metav1.Status, as far as the bridge needs one.
type Status struct {
	Kind       string         `json:"kind"`
	APIVersion string         `json:"apiVersion"`
	Metadata   struct{}       `json:"metadata"`
	Status     string         `json:"status"`
	Message    string         `json:"message"`
	Reason     string         `json:"reason"`
	Details    *StatusDetails `json:"details"`
	Code       int            `json:"code"`
}

// StatusDetails are the details of a [Status].
type StatusDetails struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	UID               string        `json:"uid,omitempty"`
	Causes            []StatusCause `json:"causes"`
	RetryAfterSeconds int           `json:"retryAfterSeconds,omitempty"`
}

// StatusCause is one cause of a [Status]: the first is the failure's code.
type StatusCause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

// AsStatus returns the failure as a Kubernetes Status.
func (f *Failure) AsStatus(requestID string) *Status {
	d := &StatusDetails{
		UID: requestID, RetryAfterSeconds: f.retrySeconds(),
		Causes: []StatusCause{{Reason: f.Kind.Code, Message: f.Detail}},
	}
	if f.Cluster != "" {
		d.Name, d.Group, d.Kind = f.Cluster, "fairlead.io", "clusters"
	}
	if f.Kind.Lock != "" {
		d.Causes = append(d.Causes, StatusCause{Reason: "lock", Message: string(f.Kind.Lock), Field: "lock"})
	}
	if !f.Since.IsZero() {
		d.Causes = append(d.Causes, StatusCause{Reason: "since", Message: Stamp(f.Since), Field: "since"})
	}
	return &Status{
		Kind: "Status", APIVersion: "v1", Status: "Failure", Message: f.Detail,
		Reason: f.Kind.Reason, Details: d, Code: f.Kind.Status,
	}
}

// Stamp formats a time as all answers of the bridge do: RFC 3339, UTC, seconds.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
