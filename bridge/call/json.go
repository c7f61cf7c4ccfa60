package call

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// Read makes the request that a body asks for.
func Read(c *api.Call) (*Request, *answer.Failure) {
	if f := endpoint.Absolute(c.Path); f != nil {
		return nil, f
	}
	req := &Request{Method: c.Method, Target: c.Path, Header: http.Header{}}
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	if c.Timeout != "" {
		t, err := time.ParseDuration(c.Timeout)
		longest := MaxTimeout
		if c.Stream {
			longest = MaxStreamTimeout
		}
		if err != nil || t <= 0 || t > longest {
			return nil, answer.Failf(answer.BadRequest, "timeout: want a duration such as \"30s\", at most %s", longest)
		}
		req.Timeout = max(t, time.Millisecond) // the wire's resolution
	}
	for k, vv := range c.Headers {
		for _, v := range vv {
			if !httpguts.ValidHeaderFieldName(k) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, answer.Failf(answer.BadRequest, "headers: %q is not a header field, or its value holds control characters", answer.Clip(k))
			}
			req.Header.Add(k, v)
		}
	}
	var f *answer.Failure
	req.Body, f = bodyOf(c, req.Header)
	return req, f
}

func bodyOf(c *api.Call, h http.Header) ([]byte, *answer.Failure) {
	raw := bytes.TrimSpace(c.Body)
	if string(raw) == "null" {
		raw = nil
	}
	switch {
	case raw != nil && c.BodyBase64 != nil:
		return nil, answer.Failf(answer.BadRequest, "body and bodyBase64: give one of them")
	case raw == nil:
		return c.BodyBase64, nil
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, answer.Failf(answer.BadRequest, "body: %v", err)
		}
		return []byte(s), nil
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	return raw, nil
}

// Result is the response as the platform API writes it.
func (r *Response) Result() *api.CallResult {
	c := &api.CallResult{Status: r.Status, Headers: r.Header, Duration: r.Duration.String()}
	encoded := r.Header.Get("Content-Encoding") != ""
	switch b := r.Body; {
	case len(b) == 0:
	case encoded || !utf8.Valid(b):
		c.BodyBase64 = b
	case isJSON(r.Header.Get("Content-Type")) && json.Valid(b):
		c.Body = b
	default:
		c.Body, _ = json.Marshal(string(b)) // a string
	}
	return c
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
