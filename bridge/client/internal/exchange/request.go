package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Request is one to a bridge.
type Request struct {
	Method string
	Path   []string // segments, not escaped
	Query  url.Values
	Header http.Header
	Body   []byte // nil: none
	Kind   string // Content-Type of Body; default application/json
	Accept string // default application/json
	// Repeatable: it may be executed twice.
	Repeatable bool
}

// Get is a request of GET.
func Get(path ...string) *Request {
	return &Request{Method: http.MethodGet, Path: path, Repeatable: true}
}

// Post has v as its JSON; nil: no body.
func Post(v any, path ...string) (*Request, error) {
	r := &Request{Method: http.MethodPost, Path: path}
	if v == nil {
		return r, nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	r.Body = body
	return r, nil
}

// String is what errors call the request.
func (r *Request) String() string { return r.Method + " " + r.Target() }

// Target is the path as it is read by people, without escapes.
func (r *Request) Target() string { return "/" + strings.Join(r.Path, "/") }

// answered is an error unless a response is what the request accepts: something in front of
// a bridge may answer in its place.
func (r *Request) answered(res *http.Response) error {
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != r.Accept {
		return &FinalError{fmt.Errorf("%s: the response is %q and not %s: is it from a bridge?", r, kind, r.Accept)}
	}
	return nil
}

// request makes the request of package http, without a token.
func (b *Bridge) request(ctx context.Context, r *Request) (*http.Request, error) {
	escaped := make([]string, len(r.Path))
	for i, segment := range r.Path {
		if segment == "" || segment == "." || segment == ".." {
			return nil, fmt.Errorf("%q cannot be part of a path", segment)
		}
		escaped[i] = url.PathEscape(segment)
	}
	target := strings.TrimRight(b.Base.String(), "/") + "/" + strings.Join(escaped, "/")
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", b.UserAgent)
	req.Header.Set("Accept", "application/json")
	if r.Accept != "" {
		req.Header.Set("Accept", r.Accept)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
		if r.Kind != "" {
			req.Header.Set("Content-Type", r.Kind)
		}
	}
	return req, nil
}
