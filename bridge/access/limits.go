package access

import (
	"context"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// limit takes what the request needs of the limits, or returns which one it is over.
// It may wait. After a failure nothing is taken.
func (a *Admission) limit(ctx context.Context, l *limit.Limiter, header http.Header) *answer.Failure {
	return l.Admit(ctx, &a.usage, &limit.Request{
		Caller:  counted(a.Caller),
		Cluster: a.Cluster, Grant: a.Decision.Grant, Limits: a.Decision.Limits,
		Stream: a.streams(header),
	})
}

// counted is the caller as limits count it.
func counted(c *Caller) limit.Caller {
	if c.CountBy != "" {
		return limit.Caller{Method: string(c.Method), Issuer: c.Issuer, Name: c.CountBy, Many: true}
	}
	return limit.Caller{Method: string(c.Method), Issuer: c.Issuer, Name: c.Name}
}

// streams reports whether the request lasts until its caller ends it. What the caller
// only claims does not count, since streams have no turn before a busy cluster and
// another limit: ?watch=1 or ?follow=1 where the API server ignores it, or an upgrade of
// a request that no API server upgrades.
func (a *Admission) streams(header http.Header) bool {
	upgrade := len(header["Upgrade"]) > 0 && subjects.HasToken(header["Connection"], "upgrade")
	if !upgrade && !subjects.IsLong(a.request.Method, a.request.Target) {
		return false
	}
	info, err := a.request.Info()
	if err != nil || !info.IsResource {
		return false
	}
	switch info.Subresource {
	case "":
		return info.Verb == "watch" || info.Verb == "proxy" && upgrade
	case "log":
		return subjects.IsLong(a.request.Method, a.request.Target)
	}
	return true
}

// Usage is what the request uses of limits.
func (a *Admission) Usage() *limit.Usage { return &a.usage }

// Done gives back what the request used of limits. It must be called once, when the
// request has ended.
func (a *Admission) Done() { a.usage.Done() }
