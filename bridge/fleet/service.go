package fleet

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// Service serves the routes of this package. Its fields are set before the first request
// and never changed. It is safe for concurrent use.
type Service struct {
	// Calls makes the requests. Its door decides who calls.
	Calls *call.Caller
	// Tenants are asked whether a cluster is connected.
	Tenants *tenant.Pool
	// Inventory is where clusters are selected.
	Inventory Inventory
	// Leaving ends when the bridge begins to drain: nothing is begun then.
	Leaving context.Context

	running atomic.Int64
}

// Routes are the routes of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{
		endpoint.Post("/v1/requests", s.postRequests),
	}
}

// maxRunning is how many fleet calls a bridge runs at the same time,
// so that the bound on the memory of one is one of all.
const maxRunning = 32

// enter takes a place among those that run; leave gives it back.
func (s *Service) enter() (leave func(), f *answer.Failure) {
	if s.running.Add(1) > maxRunning {
		s.running.Add(-1)
		return nil, answer.Failf(answer.RateLimited, "this bridge runs %d fleet calls already, which is as many as it may; nothing was executed", maxRunning)
	}
	return func() { s.running.Add(-1) }, nil
}

// postRequests answers a fleet call.
func (s *Service) postRequests(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	v, f := s.Calls.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	var c api.FleetCall
	share, f := s.Calls.Bodies.ReadJSON(w, r, endpoint.CallerOf(rec), &c, maxRequest, example)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	defer share.End()
	p, f := readPlan(&c)
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

// start runs a fleet call, if there is a place for it.
func (s *Service) start(w http.ResponseWriter, r *http.Request, rec *answer.Record, p *plan, v *access.Visitor) {
	leave, f := s.enter()
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	defer leave()
	which, f := p.choice.find(r.Context(), s.Inventory, v)
	if f == nil {
		f = rec.Admitted(r.Context()) // on record before it has an effect
	}
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	p.found = which
	s.run(w, r, rec, p, v)
}
