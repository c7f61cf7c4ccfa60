package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// Error is a failure that was answered, by the bridge or by a proxy in front of it.
type Error struct {
	Method, Path string // of the request
	// Problem is the bridge's problem document. Of a proxy it has a status, and the
	// beginning of what it said as its detail.
	Problem api.Problem
}

// Error says what failed in one line, with the id of the request for logs.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", e.Method, e.Path, e.Problem.Status)
	if e.Problem.Code != "" {
		fmt.Fprintf(&b, " %s", e.Problem.Code)
	}
	if e.Problem.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Problem.Detail)
	}
	if e.Problem.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.Problem.RequestID)
	}
	return b.String()
}

// Is reports whether target is the [Type] of the problem.
func (e *Error) Is(target error) bool {
	t, ok := target.(Type)
	return ok && e.Problem.Code == string(t)
}

// IsType reports whether err is an [*Error] of a type, such as "cluster-offline".
func IsType(err error, code string) bool { return errors.Is(err, Type(code)) }

// failure reads a response that is not one of success, and closes it.
func failure(r *request, res *http.Response) error {
	defer res.Body.Close()
	const most = 1 << 20
	text, _ := io.ReadAll(io.LimitReader(res.Body, most))
	e := &Error{Method: r.method, Path: "/" + strings.Join(r.path, "/")}
	mediaType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if mediaType != "application/problem+json" || json.Unmarshal(text, &e.Problem) != nil {
		const clip = 256
		detail := strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), clip)])), "")
		e.Problem = api.Problem{Title: http.StatusText(res.StatusCode), Detail: detail, RequestID: res.Header.Get("X-Request-Id")}
	}
	e.Problem.Status = res.StatusCode
	return e
}
