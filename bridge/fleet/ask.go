package fleet

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// ask makes the request of one cluster. give gives back the memory of the line.
func (c *run) ask(t target) (l *line, give func()) {
	begun := time.Now()
	l, give, f := c.response(t)
	if f != nil {
		return c.problem(t, f, begun), func() {}
	}
	l.Cluster, l.Duration = t.name, time.Since(begun).String()
	return l, give
}

// problem is the line of a cluster that has not answered.
func (c *run) problem(t target, f *answer.Failure, begun time.Time) *line {
	return &line{FleetLine: api.FleetLine{Cluster: t.name, Problem: f.For(t.name).Problem(c.id), Duration: time.Since(begun).String()}}
}

// response is the line of a cluster that answers.
func (c *run) response(t target) (*line, func(), *answer.Failure) {
	visit, f := c.session.Visit(t.name)
	if f != nil {
		return nil, nil, f
	}
	if c.do != nil {
		l, f := c.work(t, visit)
		return l, func() {}, f
	}
	clock, ctx := newClock(c.ctx, c.over)
	defer clock.end()
	in, f := c.session.Stream(ctx, visit, c.request)
	if f != nil {
		return nil, nil, timed(ctx, f)
	}
	defer in.Close()
	body, give, err := c.pool.readBody(ctx, in, in.Length, c.most, clock)
	if err != nil {
		return nil, nil, timed(ctx, broken(ctx, t.name, err)).Of(in.ID)
	}
	form := some(in.Header, []string{"Content-Type", "Content-Encoding"})
	whole := &call.Response{ID: in.ID, Response: tunnel.Response{Status: in.Status, Header: form, Body: body}}
	return &line{FleetLine: api.FleetLine{Status: in.Status, Headers: c.chosen(in.Header)}, whole: whole}, give, nil
}

// broken is why a response could not be read.
func broken(ctx context.Context, name string, err error) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f.For(name)
	}
	return tunnel.Explain(ctx, name, nil, err)
}

// timed is the failure of a request, with which time limit it was that ended it.
func timed(ctx context.Context, f *answer.Failure) *answer.Failure {
	if over, ok := errors.AsType[*answer.Failure](context.Cause(ctx)); ok && f.Kind == answer.TimedOut {
		return over.Of(f.Request).For(f.Cluster)
	}
	return f
}

// maxHeader bounds in bytes what is kept of a response's header, which may be 1 MiB, while
// its line waits for the client.
const maxHeader = 16 << 10

// chosen are the headers that results have.
func (c *run) chosen(h http.Header) http.Header {
	return some(h, append([]string{"Content-Encoding"}, c.headers...)) // the body is of no use without it
}

// some are the values of some headers, without those that are more than maxHeader. They are
// copies: the others are parts of the same string.
func some(h http.Header, names []string) http.Header {
	kept, size := make(http.Header, len(names)), 0
	for _, name := range names {
		if _, twice := kept[name]; twice {
			continue
		}
		for _, v := range h[name] {
			if size+len(v) <= maxHeader {
				size += len(v)
				kept[name] = append(kept[name], strings.Clone(v))
			}
		}
	}
	return kept
}
