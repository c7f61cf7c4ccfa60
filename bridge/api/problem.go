package api

import "time"

// Problem is the body of every answer with a status of 400 and above below /v1:
// an RFC 9457 problem document.
type Problem struct {
	Type   string `json:"type"` // urn:fairlead:error: and the code
	Title  string `json:"title"`
	Status int    `json:"status"` // of the HTTP response
	Detail string `json:"detail"` // one sentence for people
	// Code is what a program looks at. openapi.yaml lists all codes.
	Code string `json:"code"`
	// Lock is the lock that refused the request: authentication, grant, approval,
	// limit or allow-list; "" if none did.
	Lock string `json:"lock,omitempty"`
	// Cluster is its name as the caller wrote it, if one is concerned.
	Cluster string `json:"cluster,omitempty"`
	// Since is since when the cluster is not connected.
	Since *time.Time `json:"since,omitempty"`
	// RetryAfterSeconds is when to try again; 0: it is of no use.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
	// TimeLimit is the one that ended the request; nil: none did, or it is not known.
	TimeLimit *TimeLimit `json:"timeLimit,omitempty"`
	// RequestID is in logs and audit events too.
	RequestID string `json:"requestId"`
}

// TimeLimit is how long a request might take.
type TimeLimit struct {
	// Of says whose it is: caller (the request gave it), bridge (its own for requests that
	// give none) or agent.
	Of    string `json:"of"`
	After string `json:"after"` // a Go duration
}
