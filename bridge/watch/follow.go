package watch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// errGone is that the version from which to watch, or to list on, is too old.
var errGone = answer.Failf(answer.APIServerAnswer, "the version is too old")

// errShape is that JSON is not of the shape that it should have.
var errShape = errors.New("it is not of the shape of Kubernetes")

// get is a request of a list or a watch.
func get(target string) *call.Request {
	return &call.Request{Method: http.MethodGet, Target: target, Header: http.Header{"Accept": {"application/json"}}}
}

// follow tells the events since the version of the member, until the API server ends the
// watch, as it does each hour: no failure.
func (m *member) follow(ctx context.Context, visit access.Visit) *answer.Failure {
	target := m.query.path + "watch=1&allowWatchBookmarks=true&resourceVersion=" + url.QueryEscape(m.version)
	in, f := m.session.Stream(ctx, visit, get(target))
	if f != nil {
		return f
	}
	defer in.Close()
	if in.Status != http.StatusOK {
		return m.refused(in)
	}
	if f := m.resumed(); f != nil {
		return f
	}
	meter := &meter{ctx: ctx, from: in, pool: m.pool}
	defer meter.give()
	v := newValues(meter)
	for {
		var e api.WatchEvent
		if err := v.Decode(&e); err == io.EOF {
			return nil
		} else if err != nil {
			return unreadable(err).Of(in.ID)
		}
		if f := m.event(&e); f == errGone {
			return f
		} else if f != nil {
			return f.Of(in.ID)
		}
		e.Object = nil
		v.used(true)
	}
}

// event tells an event.
func (m *member) event(e *api.WatchEvent) *answer.Failure {
	var object struct {
		Kind, Message string
		Code          int
		Metadata      struct{ ResourceVersion string }
	}
	if json.Unmarshal(e.Object, &object) != nil {
		return unreadable(errShape)
	}
	switch e.Type {
	case "ADDED", "MODIFIED", "DELETED", "BOOKMARK":
	case "ERROR":
		return status(object.Code, object.Message)
	default:
		return unreadable(errShape)
	}
	if !validVersion(object.Metadata.ResourceVersion) {
		return unreadable(errShape)
	}
	if e.Type != "BOOKMARK" {
		if f := m.write(&api.WatchLine{Event: e}); f != nil {
			return f
		}
	}
	m.version = object.Metadata.ResourceVersion // the client's connection has all up to it
	return nil
}

// maxStatus bounds the answer of an API server that refuses, in bytes.
const maxStatus = 64 << 10

// refused is the failure of a request that the API server refuses.
func (m *member) refused(in *call.Stream) *answer.Failure {
	if s, err := strconv.Atoi(in.Header.Get("Retry-After")); err == nil && s > 0 {
		m.pause = max(m.pause, min(time.Duration(s)*time.Second, maxPause))
	}
	var said struct{ Message string }
	if b, err := io.ReadAll(io.LimitReader(in, maxStatus)); err == nil {
		_ = json.Unmarshal(b, &said) // it may be a page of a proxy
	}
	f := status(in.Status, said.Message)
	if f == errGone {
		return f
	}
	return f.Of(in.ID)
}

// status is the failure for what an API server answers.
func status(code int, message string) *answer.Failure {
	kind := answer.APIServerAnswer
	switch code {
	case http.StatusGone:
		return errGone
	case http.StatusForbidden:
		kind = answer.RBACRefused
	case http.StatusNotFound:
		kind = answer.ObjectNotFound
	case http.StatusTooManyRequests:
		kind = answer.APIServerBusy
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnprocessableEntity:
		kind = answer.APIServerRejected
	}
	return answer.Failf(kind, "the API server answered with status %d: %q", code, answer.Clip(message))
}

// unreadable is the failure of a response that breaks, or that cannot be read.
func unreadable(err error) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return answer.Failf(answer.UpstreamLost, "the response ended in the midst of an object")
	}
	return answer.Failf(answer.APIServerAnswer, "the API server's answer cannot be read: %s", answer.Clip(err.Error()))
}
