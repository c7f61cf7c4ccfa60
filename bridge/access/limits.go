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
		Caller:  limit.Caller{Method: string(a.Caller.Method), Issuer: a.Caller.Issuer, Name: a.Caller.Name},
		Cluster: a.Cluster, Grant: a.Decision.Grant, Limits: a.Decision.Limits,
		Stream: subjects.IsLong(a.request.Method, a.request.Target) || subjects.HasToken(header["Connection"], "upgrade"),
	})
}

// Usage is what the request uses of limits.
func (a *Admission) Usage() *limit.Usage { return &a.usage }

// Done gives back what the request used of limits. It must be called once, when the
// request has ended.
func (a *Admission) Done() { a.usage.Done() }
