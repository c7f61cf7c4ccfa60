package api

import "time"

// AccessRequestSpec is the body of POST /v1/access-requests.
type AccessRequestSpec struct {
	Cluster string `json:"cluster"`
	// Grant is the name of a grant that requires an approval.
	Grant  string `json:"grant"`
	Reason string `json:"reason"`
	// Duration is a Go duration from the approval on, such as 1h; default: the longest
	// that the grant allows.
	Duration string `json:"duration,omitempty"`
}

// AccessDecision is the body of POST /v1/access-requests/{id}/approve and /deny.
type AccessDecision struct {
	Note string `json:"note,omitempty"`
}

// AccessRequest is a request for access that somebody else must approve.
type AccessRequest struct {
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	Grant   string `json:"grant"`
	Reason  string `json:"reason"`
	// Duration is a Go duration.
	Duration string    `json:"duration"`
	Caller   string    `json:"caller"`
	Issuer   string    `json:"issuer,omitempty"` // who vouches for the caller
	Created  time.Time `json:"created"`
	// State is pending, approved, denied or ended.
	State string `json:"state"`
	// Until is the end of the approval or, while it is pending, of the waiting.
	Until     time.Time  `json:"until"`
	DecidedBy string     `json:"decidedBy,omitempty"`
	DecidedAt *time.Time `json:"decidedAt,omitempty"`
	Note      string     `json:"note,omitempty"`
	// EndedBy and EndedAt are of an end before its time.
	EndedBy string     `json:"endedBy,omitempty"`
	EndedAt *time.Time `json:"endedAt,omitempty"`
}

// AccessRequestList is the answer to GET /v1/access-requests.
type AccessRequestList struct {
	AccessRequests []AccessRequest `json:"accessRequests"`
}
