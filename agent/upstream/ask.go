package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects/cause"
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
	a, err := u.get(ctx, userAgent, "/api")
	return err == nil && a.status == http.StatusUnauthorized, err
}

// get sends a request of the agent's own without a body.
func (u *Client) get(ctx context.Context, userAgent, path string) (*answered, error) {
	return u.ask(ctx, userAgent, http.MethodGet, path, nil)
}

// version is that of Kubernetes and the platform that the API server runs on, if the
// response is one to /version.
func (a *answered) version() (version, platform string, ok bool) {
	var v struct{ GitVersion, Platform string }
	if a.status != http.StatusOK || json.Unmarshal(a.text, &v) != nil {
		return "", "", false
	}
	return a.shown(v.GitVersion), a.shown(v.Platform), true
}

// answered is a response to a request of the agent's own.
type answered struct {
	status int
	header http.Header
	tls    *tls.ConnectionState
	proto  string
	text   []byte // at most maxAnswer of the body; of a refusal without the credential
	sent   *redact.Known
}

// shown is a text of the response as it may be shown.
func (a *answered) shown(text string) string { return cause.Clip(a.sent.Text(text), maxName) }

// maxName bounds a version or a user's name, in characters.
const maxName = 253

// maxAnswer is in bytes. A version is 300 long; the rules of a user who may do much
// are some tens of thousands.
const maxAnswer = 256 << 10

// maxRefusal bounds what is kept of a refusal, in bytes, of which less is shown.
const maxRefusal = 4 << 10

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
	u.noteDate(resp.Header)
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read response to %s: %w", path, err)
	}
	a := &answered{status: resp.StatusCode, header: resp.Header, tls: resp.TLS, proto: resp.Proto, text: text}
	if resp.Request != nil { // the one that was sent, with the credential: a page about a refusal may show it
		a.sent = redact.Secrets(redact.Headers(resp.Request.Header["Authorization"]...)...)
	}
	if a.status >= 300 {
		a.text = a.sent.Bytes(text[:min(len(text), maxRefusal)])
	}
	return a, nil
}

// noteDate notes the API server's clock by the header of a response, if it has a date.
func (u *Client) noteDate(h http.Header) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		ahead := time.Until(date)
		u.ahead.Store(&ahead)
	}
}

// ClockAhead returns how far the API server's clock is ahead of this machine's, by the
// latest answer to a request of the agent's own, exact to some seconds. known is false
// before the first one with a date.
func (u *Client) ClockAhead() (ahead time.Duration, known bool) {
	if at := u.ahead.Load(); at != nil {
		return *at, true
	}
	return 0, false
}
