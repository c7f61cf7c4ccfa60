package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

// maxCallRequest bounds the body of a call as JSON, in bytes; larger ones have
// /k8s. [tunnel.MaxCallResponse] bounds the response.
const maxCallRequest = 8 << 20

// defaultCallTimeout and maxCallTimeout bound how long a call takes.
const (
	defaultCallTimeout = 30 * time.Second
	maxCallTimeout     = 10 * time.Minute
)

// postRequest carries out one call.
func (p *Platform) postRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	name := at.Cluster
	visit, f := p.Door.Visit(r, rec, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	result, f := p.call(w, r, rec, visit)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(name))
		return
	}
	result.Duration = time.Since(rec.Start).String()
	answer.JSON(w, r, rec, http.StatusOK, result)
}

func (p *Platform) call(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit) (*api.CallResult, *answer.Failure) {
	c, f := readCall(w, r)
	if f != nil {
		return nil, f
	}
	head, body, f := requestOf(c)
	if f != nil {
		return nil, f
	}
	rec.Received = int64(len(body))
	admission, f := p.Door.Admit(r.Context(), rec, visit, head.Method, head.Target, head.Header)
	if f != nil {
		return nil, f
	}
	defer admission.Done()
	header := make(http.Header, len(head.Header))
	tunnel.PassRequest(header, head.Header)
	head.Header = header
	head.RequestID = rec.ID
	ctx, cancel := context.WithTimeout(r.Context(), head.Timeout)
	defer cancel()
	to := tunnel.Destination{Cluster: admission.Cluster, Name: rec.Cluster, As: admission.Identity()}
	response, f := p.Tunnel.Call(ctx, rec, to, head, body, admission)
	if f != nil {
		return nil, f
	}
	rec.Upstream = response.Status
	result := &api.CallResult{Status: response.Status, Headers: response.Header}
	setBody(result, response.Body)
	return result, nil
}

// readCall reads and checks the call.
func readCall(w http.ResponseWriter, r *http.Request) (*api.Call, *answer.Failure) {
	var c api.Call
	if f := endpoint.ReadJSON(w, r, &c, maxCallRequest, `{"path": "/version"}`); f != nil {
		return nil, f
	}
	switch {
	case c.Path == "":
		return nil, answer.Failf(answer.BadRequest, `path: none given; want an absolute path, such as "/version"`)
	case c.Path[0] != '/':
		return nil, relative(c.Path)
	}
	return &c, nil
}

// relative is the failure of a target that is not absolute. Its query, which may have
// a credential, is not shown: failures are logged.
func relative(target string) *answer.Failure {
	path, _, _ := strings.Cut(target, "?")
	return answer.Failf(answer.BadRequest, "path: %q does not begin with a slash", answer.Clip(path))
}

// requestOf makes the call the request that the agent gets.
func requestOf(c *api.Call) (*subjects.RequestHead, []byte, *answer.Failure) {
	head := &subjects.RequestHead{Method: c.Method, Target: c.Path, Header: http.Header{}, Timeout: defaultCallTimeout}
	if head.Method == "" {
		head.Method = http.MethodGet
	}
	if c.Timeout != "" {
		t, err := time.ParseDuration(c.Timeout)
		if err != nil || t <= 0 || t > maxCallTimeout {
			return nil, nil, answer.Failf(answer.BadRequest, "timeout: want a duration such as \"30s\", at most %s", maxCallTimeout)
		}
		head.Timeout = max(t, time.Millisecond) // the wire's resolution
	}
	for k, vv := range c.Headers {
		for _, v := range vv {
			if !httpguts.ValidHeaderFieldName(k) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, nil, answer.Failf(answer.BadRequest, "headers: %q is not a header field, or its value holds control characters", answer.Clip(k))
			}
			head.Header.Add(k, v)
		}
	}
	body, f := callBody(c, head.Header)
	if f != nil {
		return nil, nil, f
	}
	head.ContentLength = int64(len(body))
	return head, body, nil
}

func callBody(c *api.Call, h http.Header) ([]byte, *answer.Failure) {
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

func setBody(c *api.CallResult, b []byte) {
	encoded := c.Headers.Get("Content-Encoding") != ""
	switch {
	case len(b) == 0:
	case encoded || !utf8.Valid(b):
		c.BodyBase64 = b
	case isJSON(c.Headers.Get("Content-Type")) && json.Valid(b):
		c.Body = b
	default:
		c.Body, _ = json.Marshal(string(b)) // a string
	}
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
