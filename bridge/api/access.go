package api

import "time"

// Caller is the answer to GET /v1/whoami: who the bridge takes the caller for.
type Caller struct {
	Name   string              `json:"name"`
	Groups []string            `json:"groups,omitempty"`
	UID    string              `json:"uid,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
	// Method is how the caller was authenticated: token, oidc, certificate or webhook.
	Method string `json:"method"`
	// Issuer is the configured name of who vouches for the caller.
	Issuer string `json:"issuer,omitempty"`
	// Expires is when the credential ends; absent: it has no end.
	Expires *time.Time `json:"expires,omitempty"`
}

// User is a Kubernetes user.
type User struct {
	User   string              `json:"user"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

// AccessReview is the body of POST /v1/clusters/{cluster}/access-reviews: a request
// that may be made. It is given by method and path, or by verb and resource as in a
// SelfSubjectAccessReview. A subresource may also stand behind a slash in resource, as
// in pods/exec; with the verb create and no name, the answer is for any name.
type AccessReview struct {
	Method string `json:"method,omitempty"` // default GET
	// Path is the request target: an absolute path and perhaps a query.
	Path string `json:"path,omitempty"`

	Verb        string `json:"verb,omitempty"`
	Group       string `json:"group,omitempty"`
	Version     string `json:"version,omitempty"` // default v1
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
}

// AccessReviewResult says whether the request would be allowed, and by what.
type AccessReviewResult struct {
	Allowed bool `json:"allowed"`
	// Lock is what decided: grant, approval, allow-list or rbac. A request is allowed only if
	// all of them allow it; the last one is rbac.
	Lock string `json:"lock"`
	// Reason is one sentence for people, such as the role binding that allows it.
	Reason string `json:"reason,omitempty"`
	// Code is that of the answer that the request would get from the bridge, as in
	// [Problem]; absent where the API server would answer.
	Code string `json:"code,omitempty"`
	// Grant is the name of the grant that lets the request in.
	Grant string `json:"grant,omitempty"`
	// As is the user as whom the request would be executed; absent: as the agent.
	As *User `json:"as,omitempty"`
}
