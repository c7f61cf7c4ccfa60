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

// Result is the response as the platform API writes it. The cluster chooses the body: as
// JSON it is at most twice as large, and nested little enough for any parser.
func (r *Response) Result() *api.CallResult {
	c := &api.CallResult{Status: r.Status, Headers: r.Header, Duration: r.Duration.String()}
	encoded := r.Header.Get("Content-Encoding") != ""
	switch b := r.Body; {
	case len(b) == 0:
	case encoded || !utf8.Valid(b):
		c.BodyBase64 = b
	case isJSON(r.Header.Get("Content-Type")) && !Deeper(b, maxInline) && json.Valid(b):
		c.Body = b
	case mostlyEscapes(b):
		c.BodyBase64 = b
	default:
		c.Body = text(b)
	}
	return c
}

// maxInline is how deep JSON may be nested to become part of other JSON, which would be
// too deep for some parser otherwise: Go's stop at 10,000, those of others far earlier.
const maxInline = 128

// Deeper reports whether JSON is nested deeper than so many levels. It need not be valid.
func Deeper(b []byte, than int) bool {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > than {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// mostlyEscapes reports whether a text is more than twice as large as a string of JSON,
// in which a control character may be six characters.
func mostlyEscapes(b []byte) bool {
	controls := 0
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			controls++
		}
	}
	return controls > len(b)/5
}

// text is b as a string of JSON.
func text(b []byte) json.RawMessage {
	var s bytes.Buffer
	e := json.NewEncoder(&s)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(b)) // a string can be encoded
	return bytes.TrimSuffix(s.Bytes(), []byte("\n"))
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
