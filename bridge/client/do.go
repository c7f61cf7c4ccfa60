package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// mostBody bounds a response that is kept in memory: a call's, which the bridge bounds to
// 16 MiB, is 22 MiB in base64.
const mostBody = 64 << 20

// request is one to the bridge.
type request struct {
	method string
	path   []string // segments, not escaped
	query  url.Values
	header http.Header
	body   []byte // nil: none
	kind   string // Content-Type of body; default application/json
	accept string // default application/json
	// repeatable: it may be executed twice.
	repeatable bool
}

func get(path ...string) *request {
	return &request{method: http.MethodGet, path: path, repeatable: true}
}

// post has v as its JSON; nil: no body.
func post(v any, path ...string) (*request, error) {
	r := &request{method: http.MethodPost, path: path}
	if v == nil {
		return r, nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	r.body = body
	return r, nil
}

// request makes the request of package http, without a token.
func (c *Client) request(ctx context.Context, r *request) (*http.Request, error) {
	escaped := make([]string, len(r.path))
	for i, segment := range r.path {
		if segment == "" || segment == "." || segment == ".." {
			return nil, fmt.Errorf("%q cannot be part of a path", segment)
		}
		escaped[i] = url.PathEscape(segment)
	}
	target := strings.TrimRight(c.base.String(), "/") + "/" + strings.Join(escaped, "/")
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", "application/json")
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
		if r.kind != "" {
			req.Header.Set("Content-Type", r.kind)
		}
	}
	return req, nil
}

// send sends a request, again where that is safe, and returns a response of success.
func (c *Client) send(ctx context.Context, r *request) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := c.attempt(ctx, r)
		if err == nil && res.StatusCode < 300 {
			return res, nil
		}
		wait, ok := again(res, err, r.repeatable)
		if err == nil {
			err = failure(r, res)
		}
		if !ok || n >= c.retry.Attempts || wait > c.retry.MaxWait {
			return nil, err
		}
		if pause := c.retry.pause(n); wait == 0 {
			wait = pause
		} else {
			wait += c.retry.pause(1) / 2 // not all at the same moment
		}
		if !sleep(ctx, wait) {
			return nil, err
		}
	}
}

// once sends a request once, and returns a response of success.
func (c *Client) once(ctx context.Context, r *request) (*http.Response, error) {
	res, err := c.attempt(ctx, r)
	if err == nil && res.StatusCode >= 300 {
		return nil, failure(r, res)
	}
	return res, err
}

// attempt sends a request, and returns its response, whatever it is.
func (c *Client) attempt(ctx context.Context, r *request) (*http.Response, error) {
	req, err := c.request(ctx, r)
	if err == nil {
		err = c.authorize(req)
	}
	if err != nil {
		return nil, &setupError{err}
	}
	return c.http.Do(req)
}

// setupError is why a request cannot succeed however often it is made: it cannot be built,
// has no token, or goes to something else than a bridge.
type setupError struct{ error }

// Unwrap implements the interface of [errors.Unwrap].
func (e *setupError) Unwrap() error { return e.error }

// answered is an error unless a response is what the request accepts: something in front of
// a bridge may answer in its place.
func (r *request) answered(res *http.Response) error {
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != r.accept {
		return &setupError{fmt.Errorf("%s: the response is %q and not %s: is it from a bridge?", r, kind, r.accept)}
	}
	return nil
}

// into sends a request, and decodes the JSON of its response.
func (c *Client) into(ctx context.Context, r *request, v any) error {
	text, err := c.read(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: decode the response: %w", r, err)
	}
	return nil
}

// read sends a request, and reads its response. One that was cut off is asked for once
// more, if it may be.
func (c *Client) read(ctx context.Context, r *request) ([]byte, error) {
	text, err := c.readOnce(ctx, r)
	if errors.Is(err, errCutOff) && r.repeatable && sleep(ctx, c.retry.pause(1)) {
		text, err = c.readOnce(ctx, r)
	}
	return text, err
}

var errCutOff = errors.New("read the response")

func (c *Client) readOnce(ctx context.Context, r *request) ([]byte, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", r, errCutOff, err)
	}
	if len(text) > mostBody {
		return nil, fmt.Errorf("%s: the response is larger than %d bytes", r, mostBody)
	}
	return text, nil
}

// String is what errors call the request.
func (r *request) String() string { return r.method + " /" + strings.Join(r.path, "/") }
