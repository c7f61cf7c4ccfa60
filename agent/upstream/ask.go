package upstream

import (
	"context"
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

// get sends a request of the agent's own, and returns at most 16 KiB of the
// response.
func (u *Client) get(ctx context.Context, userAgent, path string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("API server gave no answer to %s within %s", path, askLimit))
	defer cancel()
	target, err := u.Target(path)
	if err != nil {
		return 0, nil, err
	}
	req := (&http.Request{
		Method: http.MethodGet, URL: target, Host: u.base.Host,
		Header: http.Header{"User-Agent": {userAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	resp, err := u.RoundTrip(req, false)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 16<<10)) // a version is 300 bytes
	if err != nil {
		return 0, nil, fmt.Errorf("read response to %s: %w", path, err)
	}
	return resp.StatusCode, text, nil
}
