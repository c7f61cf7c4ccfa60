package operations

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/store/lease"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// Config configures a [Service]. All fields but Store are needed.
type Config struct {
	Caller  *call.Caller
	Tenants *tenant.Pool
	Events  events.Log
	// Store is where operations are kept; nil: the bridge has none, and refuses them.
	Store *store.Store
	// Bridge is the bridge's id.
	Bridge string
	Logger *slog.Logger
}

// Service queues operations and executes them. It is safe for concurrent use.
type Service struct {
	Config
	log     *slog.Logger
	metrics *Metrics

	bucket *kv.Bucket // nil without a store
	keeper *lease.Keeper
	index  *index
	kick   chan struct{} // something may be to do
	work   dispatcher
}

// New returns a service. [Service.Run] must run.
func New(c Config) *Service {
	s := &Service{Config: c, log: c.Logger.With("part", "operations"), index: newIndex(), kick: make(chan struct{}, 1)}
	if c.Store != nil {
		s.bucket, s.keeper = kv.New(c.Store, store.Operations()), lease.New(c.Store, c.Bridge, s.log)
	}
	s.work.init(s)
	s.metrics = newMetrics(s)
	return s
}

// Metrics are the service's.
func (s *Service) Metrics() *Metrics { return s.metrics }

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{
		endpoint.Get("/v1/clusters/{cluster}/operations", s.route((*exchange).list)),
		endpoint.Post("/v1/clusters/{cluster}/operations", s.route((*exchange).post)),
		endpoint.Get("/v1/clusters/{cluster}/operations/{id}", s.route((*exchange).get)),
		endpoint.Post("/v1/clusters/{cluster}/operations/{id}/cancel", s.route((*exchange).cancel)),
	}
}

// exchange is one request for a route.
type exchange struct {
	*Service
	w     http.ResponseWriter
	r     *http.Request
	rec   *answer.Record
	visit access.Visit
	id    string // of the path
}

// route serves what is done for callers who may know of the cluster. serve answers unless
// it returns a failure.
func (s *Service) route(serve func(x *exchange) *answer.Failure) endpoint.Serve {
	return func(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
		x := &exchange{Service: s, w: w, r: r, rec: rec, id: at.ID}
		f := x.enter(at.Cluster)
		if f == nil {
			f = serve(x)
		}
		if f != nil {
			answer.Fail(w, r, rec, answer.ProblemBody, f.For(at.Cluster))
		}
	}
}

// enter lets in who may know of the cluster.
func (x *exchange) enter(cluster string) (f *answer.Failure) {
	if x.visit, f = x.Caller.Door.Visit(x.r, x.rec, cluster); f != nil {
		return f
	}
	entry, listed := x.Tenants.Entry(x.visit.Cluster.Tenant)
	if !listed {
		return answer.Failf(answer.UnknownCluster, "there is no tenant %q", answer.Clip(x.visit.Cluster.Tenant))
	}
	if x.rec.Tenant = x.visit.Cluster.Tenant; entry.Clusters != nil && !slices.Contains(entry.Clusters, x.visit.Cluster.Cluster) {
		return answer.Failf(answer.UnknownCluster, "cluster %q is not in the list of its tenant's clusters", x.visit.Cluster)
	}
	if x.bucket == nil {
		return answer.Failf(answer.StoreUnavailable, "this bridge has no store for operations: its operator must set --store-account and --store-key (docs/store.md); nothing was queued")
	}
	return nil
}

// known is why not all operations are known, nil if they are.
func (s *Service) known() *answer.Failure {
	ready, err := s.index.status()
	switch {
	case ready:
		return nil
	case err != nil:
		return storeFailure(err, "the operations in the bridges' shared store could not be read")
	}
	return answer.Failf(answer.StoreUnavailable, "the operations in the bridges' shared store were not read yet")
}

// storeFailure says what an error of the bucket is over HTTP.
func storeFailure(err error, what string) *answer.Failure {
	if errors.Is(err, kv.ErrFull) {
		return answer.Failf(answer.QueueFull, "%s: %w", what, err)
	}
	return answer.Failf(answer.StoreUnavailable, "%s: %w", what, err)
}

// find reads the operation that the path names, if the caller may see it: who made it may,
// and who may make a request of that verb for the platform's resource.
func (x *exchange) find(verb string) (e kv.Entry, v *value, f *answer.Failure) {
	if !isID(x.id) {
		return e, nil, x.missing()
	}
	e, err := x.bucket.Get(x.r.Context(), keyOf(x.visit.Cluster, x.id))
	if errors.Is(err, kv.ErrNotFound) {
		return e, nil, x.missing()
	}
	if err != nil {
		return e, nil, storeFailure(err, "the operation could not be read")
	}
	if v, err = decode(e.Key, e.Value); err != nil {
		return e, nil, storeFailure(err, "the operation could not be read")
	}
	if v.Caller.who() != whoOf(x.visit.Caller) {
		if f := x.may(verb, x.id); f != nil {
			return e, nil, f
		}
	}
	return e, v, nil
}

func (x *exchange) missing() *answer.Failure {
	return answer.Failf(answer.NotFound, "cluster %q has no operation %q; those that ended more than 30 days ago are forgotten", x.visit.Cluster, answer.Clip(x.id))
}

// platformGroup is the API group of what is the platform's own, and resource where grants
// find operations in it. Nothing is sent there.
const (
	platformGroup = "platform.fairlead.io"
	resource      = "/apis/" + platformGroup + "/v1/operations"
)

// may decides whether a grant lets the caller do something to operations that others made.
func (x *exchange) may(verb, id string) *answer.Failure {
	req := &access.Request{Cluster: x.visit.Cluster, Method: http.MethodGet, Target: resource}
	switch verb {
	case "get":
		req.Target += "/" + id
	case "update":
		req.Method, req.Target = http.MethodPut, req.Target+"/"+id+"/cancel"
	}
	if _, err := x.visit.Authorizer().Authorize(x.r.Context(), x.visit.Caller, req); err != nil {
		if f, ok := errors.AsType[*answer.Failure](err); ok {
			return f
		}
		return answer.Failf(answer.Forbidden, "%w", err)
	}
	return nil
}

// wake makes the dispatcher look what is to do.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// refOf is a cluster as logs have it.
func refOf(ref subjects.ClusterRef) slog.Attr { return slog.String("cluster", ref.String()) }
