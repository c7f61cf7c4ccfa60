package fleet

import (
	"context"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// Job is what another part of the API does in each of many clusters, instead of one
// request.
type Job struct {
	// Call says which clusters, how many at the same time, and until when. Its request is
	// not read, but for its Timeout.
	Call *api.FleetCall
	// Concurrency bounds how many clusters the job works in at the same time, whatever the
	// call asks for.
	Concurrency int
	// Do works in a cluster. The line has neither Cluster nor Duration yet. If both are
	// returned, the line says more about the failure. What a line takes of memory is
	// bounded by the job. It is called by many goroutines at once.
	Do func(ctx context.Context, session *call.Session, visit access.Visit) (*api.FleetLine, *answer.Failure)
}

// Run answers a request by a job, in lines as those of POST /v1/requests. v is its caller.
func (s *Service) Run(w http.ResponseWriter, r *http.Request, rec *answer.Record, v *access.Visitor, job *Job) {
	p, f := planJob(job)
	if f == nil {
		if v, f = v.Current(r.Context()); f != nil { // reading the body may have taken hours
			f = f.With("; nothing was executed")
		}
	}
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	s.start(w, r, rec, p, v)
}

// planJob checks a job.
func planJob(job *Job) (*plan, *answer.Failure) {
	req, f := call.Read(&api.Call{Path: "/", Timeout: job.Call.Timeout})
	if f != nil {
		return nil, f
	}
	p := &plan{request: req, do: job.Do}
	if p.choice, f = choose(job.Call.Clusters, job.Call.Selector, job.Call.Tenant, job.Call.State); f != nil {
		return nil, f
	}
	if f := p.limits(job.Call); f != nil {
		return nil, f
	}
	p.concurrency = min(p.concurrency, job.Concurrency)
	return p, nil
}

// work does a job in a cluster.
func (c *run) work(t target, visit access.Visit) (*line, *answer.Failure) {
	clock, ctx := newClock(c.ctx, c.over)
	defer clock.end()
	told, f := c.do(ctx, c.session, visit)
	if f != nil {
		f = timed(ctx, f)
	}
	if told == nil {
		return nil, f
	}
	if f != nil {
		told.Problem = f.For(t.name).Problem(c.id)
	}
	return &line{FleetLine: *told}, nil
}
