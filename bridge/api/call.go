package api

import (
	"encoding/json"
	"net/http"
)

// Call is the body of POST /v1/clusters/{cluster}/requests: one request to an
// API server.
type Call struct {
	Method string `json:"method,omitempty"` // default GET
	// Path is the request target: an absolute path and perhaps a query.
	Path    string            `json:"path"`
	Headers map[string]Values `json:"headers,omitempty"`
	// Body is sent as it is if it is a string, and as JSON otherwise.
	Body json.RawMessage `json:"body,omitempty"`
	// BodyBase64 is a body that is not text.
	BodyBase64 []byte `json:"bodyBase64,omitempty"`
	// Timeout is a Go duration, such as 30s.
	Timeout string `json:"timeout,omitempty"`
}

// Values are the values of a header. In JSON one string stands for a list of
// one.
type Values []string

// UnmarshalJSON implements [json.Unmarshaler].
func (v *Values) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*v = Values{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(v))
}

// CallResult is the API server's response to a [Call].
type CallResult struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
	// Body is the body itself if it is JSON, a string if it is other text.
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"bodyBase64,omitempty"`
	Duration   string          `json:"duration"` // a Go duration
}
