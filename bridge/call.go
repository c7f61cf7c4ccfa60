package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// callRequest is one request to an API server as JSON.
type callRequest struct {
	Method string `json:"method"`
	// Path is the request target: an absolute path and perhaps a query.
	Path    string            `json:"path"`
	Headers map[string]values `json:"headers"`
	// Body is sent as it is if it is a string, and as JSON otherwise.
	Body json.RawMessage `json:"body"`
	// BodyBase64 is a body that is no text.
	BodyBase64 []byte `json:"bodyBase64"`
	// Timeout is a Go duration.
	Timeout string `json:"timeout"`
}

// values takes one string for a list of one.
type values []string

// UnmarshalJSON implements [json.Unmarshaler].
func (v *values) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*v = values{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(v))
}

// callResponse is the response as JSON.
type callResponse struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
	// Body is the body itself if it is JSON, a string if it is other text.
	Body       json.RawMessage `json:"body,omitempty"`
	BodyBase64 []byte          `json:"bodyBase64,omitempty"`
	Duration   string          `json:"duration"`
}

// postRequest carries out one call.
func (s *Server) postRequest(w http.ResponseWriter, r *http.Request, rec *record, name string) {
	ref, caller, f := s.admit(r, rec, name)
	if f != nil {
		s.fail(w, r, rec, problemBody, f)
		return
	}
	// As a header of the call itself it would have done nothing, and was meant.
	if claimed := stripRequest(r.Header); claimed != "" {
		f := impersonated(claimed)
		f.cluster = name
		s.fail(w, r, rec, problemBody, f)
		return
	}
	head, body, err := readCall(w, r)
	if err != nil {
		s.fail(w, r, rec, problemBody, explain(r.Context(), name, nil, err))
		return
	}
	rec.received = int64(len(body))
	head.RequestID = rec.id
	ctx, cancel := context.WithTimeout(r.Context(), head.Timeout)
	defer cancel()
	conn, err := s.cfg.Tenants.Acquire(ctx, ref.Tenant)
	if err != nil {
		s.fail(w, r, rec, problemBody, explain(ctx, name, nil, err))
		return
	}
	defer conn.Release()
	rec.tenant = ref.Tenant
	answer, err := call(ctx, conn, ref.Cluster, head, body, func() *hold { return s.hold(ctx, caller, ref) })
	if err != nil {
		s.fail(w, r, rec, problemBody, explain(ctx, name, conn, err))
		return
	}
	answer.Duration = time.Since(rec.start).String()
	writeJSON(w, rec, http.StatusOK, answer)
}

// readCall reads and checks the call. Its errors are failures.
func readCall(w http.ResponseWriter, r *http.Request) (*subjects.RequestHead, []byte, error) {
	var c callRequest
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCallRequest))
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			err = nil
		} else if err == nil {
			err = errors.New("more than one JSON value")
		}
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, nil, failf(bodyTooLarge, "the call is larger than %d bytes; larger ones can be made under /k8s", maxCallRequest)
	}
	switch {
	case err == io.EOF:
		return nil, nil, failf(badRequest, `the body is empty: want a call as JSON, such as {"path": "/version"}`)
	case err != nil:
		return nil, nil, failf(badRequest, "the call cannot be read: %s", clip(err.Error()))
	case c.Path == "":
		return nil, nil, failf(badRequest, `path: none given; want an absolute path, such as "/version"`)
	case c.Path[0] != '/':
		return nil, nil, failf(badRequest, "path: %q does not begin with a slash", clip(c.Path))
	}
	head := &subjects.RequestHead{Method: c.Method, Target: c.Path, Header: http.Header{}, Timeout: defaultCallTimeout}
	if head.Method == "" {
		head.Method = http.MethodGet
	}
	if c.Timeout != "" {
		t, err := time.ParseDuration(c.Timeout)
		if err != nil || t <= 0 || t > maxCallTimeout {
			return nil, nil, failf(badRequest, "timeout: want a duration such as \"30s\", at most %s", maxCallTimeout)
		}
		head.Timeout = max(t, time.Millisecond) // the wire's resolution
	}
	for k, vv := range c.Headers {
		for _, v := range vv {
			if !httpguts.ValidHeaderFieldName(k) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, nil, failf(badRequest, "headers: %q is no header field, or its value holds control characters", clip(k))
			}
			head.Header.Add(k, v)
		}
	}
	if claimed := stripRequest(head.Header); claimed != "" {
		return nil, nil, impersonated(claimed)
	}
	body, err := c.body(head.Header)
	if err != nil {
		return nil, nil, err
	}
	head.ContentLength = int64(len(body))
	return head, body, nil
}

func (c *callRequest) body(h http.Header) ([]byte, error) {
	raw := bytes.TrimSpace(c.Body)
	if string(raw) == "null" {
		raw = nil
	}
	switch {
	case raw != nil && c.BodyBase64 != nil:
		return nil, failf(badRequest, "body and bodyBase64: give one of them")
	case raw == nil:
		return c.BodyBase64, nil
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, failf(badRequest, "body: %v", err)
		}
		return []byte(s), nil
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	return raw, nil
}

// call sends a request with a body that is in memory and reads the response,
// which is held if it comes in parts.
func call(ctx context.Context, conn *tenant.Conn, cluster string, head *subjects.RequestHead, body []byte, held func() *hold) (*callResponse, error) {
	first, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		return nil, err
	}
	x := exchange{
		conn: conn, cluster: cluster, first: append(first, body...), fin: true,
		repeatable: head.Method == http.MethodGet || head.Method == http.MethodHead,
	}
	defer x.close()
	answer, err := x.begin(ctx)
	for n := 0; err == nil && answer.Status < 200; n++ {
		if n == maxInformational {
			return nil, x.broken(errInformational.Error())
		}
		if answer.Status == http.StatusSwitchingProtocols {
			return nil, x.broken(errUnasked.Error())
		}
		answer, err = x.nextHead()
	}
	if err != nil {
		return nil, err
	}
	if st := x.st; !st.Ended() {
		h := held()
		defer h.release()
		ctx = h.ctx
		defer context.AfterFunc(ctx, func() { st.Reset(subjects.CodeCanceled, context.Cause(ctx).Error()) })()
	}
	b := x.rest[:len(x.rest):len(x.rest)]
	for err == nil {
		if len(b) > maxCallResponse {
			return nil, failf(responseTooLarge, "the response is larger than %d bytes; it can be read under /k8s", maxCallResponse)
		}
		var next []byte
		next, err = x.st.Next()
		b = append(b, next...)
	}
	if err != io.EOF {
		if f, ok := errors.AsType[*failure](context.Cause(ctx)); ok {
			return nil, f // the caller may no longer have it
		}
		return nil, fmt.Errorf("read response: %w", err)
	}
	if answer.ContentLength >= 0 && head.Method != http.MethodHead && int64(len(b)) != answer.ContentLength &&
		answer.Status != http.StatusNoContent && answer.Status != http.StatusNotModified {
		return nil, &subjects.ResetError{Code: subjects.CodeProtocol, Detail: errTooShort.Error()}
	}
	c := &callResponse{Status: answer.Status, Headers: http.Header{}}
	copyResponse(c.Headers, answer.Header, "")
	c.setBody(b)
	return c, nil
}

func (c *callResponse) setBody(b []byte) {
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
