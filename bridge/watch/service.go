package watch

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// Inventory knows which clusters there are. It is safe for concurrent use.
type Inventory interface {
	// List returns the clusters that are selected and that the visitor may know of.
	List(ctx context.Context, v *access.Visitor, s *inventory.Selection) (*api.ClusterList, *answer.Failure)
}

// Service serves the routes of this package. Its fields are set before the first request
// and never changed. It is safe for concurrent use.
type Service struct {
	// Calls makes the requests. Its door decides who calls.
	Calls *call.Caller
	// Tenants are asked whether a cluster is connected.
	Tenants *tenant.Pool
	// Inventory is where clusters are selected.
	Inventory Inventory
	// Changes tells when other clusters may be selected, as [inventory.Watcher.Subscribe]
	// does. Nil: nothing tells, and it is asked every 5 s.
	Changes func() (changed <-chan struct{}, stop func())
	// Leaving ends when the bridge begins to drain: streams end then.
	Leaving context.Context

	running atomic.Int64
}

// Routes are the routes of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{endpoint.Get("/v1/watch", s.get)}
}

// maxRunning is how many merged watches a bridge has at the same time, so that the bound
// on the memory of one is one of all.
const maxRunning = 16

// enter takes a place among those that run; leave gives it back.
func (s *Service) enter() (leave func(), f *answer.Failure) {
	if s.running.Add(1) > maxRunning {
		s.running.Add(-1)
		return nil, answer.Failf(answer.RateLimited, "this bridge has %d merged watches already, which is as many as it may", maxRunning)
	}
	return func() { s.running.Add(-1) }, nil
}

// get answers with the stream.
func (s *Service) get(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	v, f := s.Calls.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	q, f := readQuery(r.URL.RawQuery)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	leave, f := s.enter()
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	defer leave()
	if q.selection != nil {
		if s.Changes != nil {
			var stop func()
			q.changed, stop = s.Changes() // before it is asked, so that no change is missed
			defer stop()
		}
		if q.found, f = s.find(r.Context(), v, q.selection); f == nil {
			f = few(q.found)
		}
	}
	if f == nil {
		f = rec.Admitted(r.Context())
	}
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	s.run(w, r, rec, v, q)
}
