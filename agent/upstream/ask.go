package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

// askLimit bounds one request of the agent's own.
const askLimit = 5 * time.Second

// RefusesCredential asks the API server whether it refuses the agent's credential.
// It takes one request, and at most 5 s. Without an answer it reports false.
func (u *Client) RefusesCredential(ctx context.Context) bool {
	refused, err := u.askCredential(ctx, "fairlead-agent")
	return err == nil && refused
}

// askCredential requests a path that no API server shows to the public.
func (u *Client) askCredential(ctx context.Context, userAgent string) (refused bool, err error) {
	status, _, err := u.get(ctx, userAgent, "/api")
	return status == http.StatusUnauthorized, err
}

// get sends a request of the agent's own, and returns the beginning of the
// response.
func (u *Client) get(ctx context.Context, userAgent, path string) (status int, text []byte, err error) {
	a, err := u.ask(ctx, userAgent, http.MethodGet, path, nil)
	if err != nil {
		return 0, nil, err
	}
	return a.status, a.text, nil
}

// answered is a response to a request of the agent's own.
type answered struct {
	status int
	header http.Header
	tls    *tls.ConnectionState
	proto  string
	text   []byte // at most maxAnswer of the body
}

// maxAnswer is in bytes. A version is 300 long; the rules of a user who may do much
// are some tens of thousands.
const maxAnswer = 256 << 10

// ask sends a request of the agent's own, with a body in JSON unless it is nil.
func (u *Client) ask(ctx context.Context, userAgent, method, path string, body []byte) (*answered, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("API server gave no answer to %s within %s: %w", path, askLimit, context.DeadlineExceeded))
	defer cancel()
	target, err := u.Target(path)
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: method, URL: target, Host: u.base.Host,
		Header: http.Header{"User-Agent": {userAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if body != nil {
		req.Header["Content-Type"], req.Header["Accept"] = []string{"application/json"}, []string{"application/json"}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	resp, err := u.RoundTrip(req, false)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read response to %s: %w", path, err)
	}
	return &answered{resp.StatusCode, resp.Header, resp.TLS, resp.Proto, text}, nil
}
