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
	// Stream asks for the response as it comes: lines of [CallLine].
	Stream bool `json:"stream,omitempty"`
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

// CallLine is one line of the response to a [Call] that streams: the head first, then the
// body in parts, then the end. A response without an end has broken.
type CallLine struct {
	Head *CallHead `json:"head,omitempty"`
	// Body and BodyBase64 are the next bytes of the body, as text where they are UTF-8. A
	// part may end anywhere: the body is all of them together.
	Body       string   `json:"body,omitempty"`
	BodyBase64 []byte   `json:"bodyBase64,omitempty"`
	End        *CallEnd `json:"end,omitempty"`
}

// CallHead is the head of an API server's response.
type CallHead struct {
	Status    int         `json:"status"`
	Headers   http.Header `json:"headers"`
	RequestID string      `json:"requestId"`
}

// CallEnd says how a response ended.
type CallEnd struct {
	Bytes    int64  `json:"bytes"`    // of the body
	Duration string `json:"duration"` // a Go duration
	// Problem says why the body is not whole; nil: it is.
	Problem *Problem `json:"problem,omitempty"`
}
