package pullsecret

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/fleet"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

const (
	path      = "/v1/clusters/{cluster}/namespaces/{namespace}/pull-secrets/{name}"
	fleetPath = "/v1/pull-secrets/{name}"
)

const (
	// timeout bounds all that one request of the platform does in a cluster.
	timeout = time.Minute
	// eachTimeout bounds each request of a cluster, which is small.
	eachTimeout = 15 * time.Second
)

// Service serves the routes. It is safe for concurrent use.
type Service struct {
	caller *call.Caller
	fleet  *fleet.Service // does the same in many clusters
	memory *memory
}

// New returns a service that makes its requests by a caller, and those of many clusters by
// fleet calls.
func New(caller *call.Caller, many *fleet.Service) *Service {
	return &Service{caller: caller, fleet: many, memory: newMemory()}
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{
		endpoint.Get(path, s.get),
		endpoint.Put(path, s.put),
		endpoint.Delete(path, s.delete),
		endpoint.Get(fleetPath, s.getFleet),
		endpoint.Put(fleetPath, s.putFleet),
		endpoint.Delete(fleetPath, s.deleteFleet),
	}
}

// enter decides whether the caller may know of the cluster, and returns the place of the
// pull secret.
func (s *Service) enter(r *http.Request, rec *answer.Record, at endpoint.Place) (*target, *answer.Failure) {
	visit, f := s.caller.Door.Visit(r, rec, at.Cluster)
	if f != nil {
		return nil, f
	}
	return &target{session: s.caller.For(r, rec), visit: visit, memory: s.memory, namespace: at.Namespace, name: at.Name}, nil
}

// get says whether a pull secret is well formed.
func (s *Service) get(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	t, f := s.enter(r, rec, at)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	report, f := t.inspect(ctx, rec.ID)
	if f != nil {
		fail(w, r, rec, f.For(at.Cluster))
		return
	}
	write(w, r, rec, http.StatusOK, report)
}

// put writes a pull secret.
func (s *Service) put(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	t, f := s.enter(r, rec, at)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	o, f := readOrder(w, r)
	if f == nil {
		o.condition, f = readCondition(r)
	}
	if f != nil {
		fail(w, r, rec, f.For(at.Cluster))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	report, created, f := t.put(ctx, o)
	switch {
	case f != nil:
		fail(w, r, rec, f.For(at.Cluster))
	case created:
		write(w, r, rec, http.StatusCreated, report)
	default:
		write(w, r, rec, http.StatusOK, report)
	}
}

// delete removes a pull secret, and takes it from the service accounts.
func (s *Service) delete(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	t, f := s.enter(r, rec, at)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	c, f := readCondition(r)
	keep := false
	if f == nil {
		keep, f = readDetach(r)
	}
	if f != nil {
		fail(w, r, rec, f.For(at.Cluster))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	done, f := t.remove(ctx, c, keep)
	if f != nil {
		fail(w, r, rec, f.For(at.Cluster))
		return
	}
	answer.JSON(w, r, rec, http.StatusOK, done)
}

func write(w http.ResponseWriter, r *http.Request, rec *answer.Record, status int, report *api.PullSecretReport) {
	if report.ResourceVersion != "" {
		w.Header().Set("ETag", `"`+report.ResourceVersion+`"`)
	}
	answer.JSON(w, r, rec, status, report)
}

// fail answers with a failure, which may be that of a request of the cluster: the answer
// has the id of the whole.
func fail(w http.ResponseWriter, r *http.Request, rec *answer.Record, f *answer.Failure) {
	answer.Fail(w, r, rec, answer.ProblemBody, f.Of(""))
}

// target is a pull secret of a cluster, and the requests about it that one HTTP request
// makes. It is used by one goroutine.
type target struct {
	session         *call.Session
	visit           access.Visit
	memory          *memory
	namespace, name string
	secrets         []string // what no answer may show
}
