package api

import (
	"encoding/json"
	"net/http"
)

// FleetCall is the body of POST /v1/requests: one request to the API servers of many
// clusters.
type FleetCall struct {
	// Clusters are the names of the clusters, each of them once.
	Clusters []string `json:"clusters,omitempty"`
	// Selector, Tenant and State select clusters instead, of those that the caller may see,
	// as GET /v1/clusters does. Selector is a label selector of Kubernetes; "" selects every
	// cluster.
	Selector *string `json:"selector,omitempty"`
	Tenant   string  `json:"tenant,omitempty"`
	State    string  `json:"state,omitempty"`

	// Call is the request. Its Timeout is that of each cluster's.
	Call

	// Deadline is a Go duration within which all of it ends.
	Deadline string `json:"deadline,omitempty"`
	// Concurrency is how many clusters are asked at the same time.
	Concurrency int `json:"concurrency,omitempty"`
	// MaxResponseBytes is the largest body of one cluster's response.
	MaxResponseBytes int64 `json:"maxResponseBytes,omitempty"`
	// ResponseHeaders are the names of the headers that results have.
	ResponseHeaders []string `json:"responseHeaders,omitempty"`
}

// FleetLine is a line of the response to a [FleetCall]: what became of one cluster, or
// the summary, which is the last line.
type FleetLine struct {
	Cluster string `json:"cluster,omitempty"`
	// Status, Headers and the body are the API server's response.
	Status  int         `json:"status,omitempty"`
	Headers http.Header `json:"headers,omitempty"`
	// Body is the body itself if it is JSON, a string if it is other text.
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"bodyBase64,omitempty"`
	// Problem is why there is no response; nil: there is one.
	Problem  *Problem `json:"problem,omitempty"`
	Duration string   `json:"duration,omitempty"` // a Go duration
	// Summary is nil in every line but the last.
	Summary *FleetSummary `json:"summary,omitempty"`
}

// FleetSummary is what became of a [FleetCall]. A response without one is not whole.
type FleetSummary struct {
	// Total is the number of clusters. It is the sum of the numbers in Responses and
	// Failed, and of NotBegun.
	Total int `json:"total"`
	// Responses counts the responses of API servers by the class of their status: 2xx.
	Responses map[string]int `json:"responses"`
	// Failed counts the problems by their code.
	Failed map[string]int `json:"failed"`
	// Complete says that each cluster has a line, and that no tenant is in Unavailable.
	Complete bool `json:"complete"`
	// Unavailable are tenants that could not be asked for their clusters when clusters were
	// selected: some of theirs may be missing.
	Unavailable []TenantFault `json:"unavailable,omitempty"`
	// NotBegun are the clusters that nothing was sent to.
	NotBegun []string `json:"notBegun,omitempty"`
	// Problem is why it ended before its time; nil: it did not.
	Problem  *Problem `json:"problem,omitempty"`
	Duration string   `json:"duration"` // a Go duration
}
