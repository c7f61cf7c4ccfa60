package settings

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// target is the request for which a caller needs a grant, with the method of the route. It
// is the platform's own, and sent to no cluster.
const target = "/apis/platform.fairlead.io/v1/settings/agent"

// maxBody bounds a body in bytes: settings of a message of 4 KiB, with room for white space.
const maxBody = 16 << 10

const example = `{"labels": {"env": "prod"}, "logLevel": {"level": "debug", "until": "2026-12-01T12:00:00Z"}}`

// Service serves the routes. Its fields are set before the first request and never
// changed. It is safe for concurrent use.
type Service struct {
	Door    *access.Door
	Tenants *tenant.Pool
	// Desk has the settings; nil: the bridge has no store.
	Desk *Desk
}

// New returns a service, whose settings are kept in shared; nil: the bridge has no store,
// and refuses what needs it. Its desk, if it has one, must run.
func New(door *access.Door, tenants *tenant.Pool, shared *store.Store, events events.Log, log *slog.Logger) *Service {
	s := &Service{Door: door, Tenants: tenants}
	if shared != nil {
		s.Desk = NewDesk(Config{Bucket: kv.New(shared, store.Settings()), Tenants: tenants, Events: events, Logger: log})
	}
	return s
}

// Run delivers settings until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s.Desk == nil {
		<-ctx.Done()
		return nil
	}
	return s.Desk.Run(ctx)
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	const path = "/v1/clusters/{cluster}/settings"
	return []endpoint.Route{
		endpoint.Get(path, s.with(s.get)),
		endpoint.Put(path, s.with(s.put)),
		endpoint.Delete(path, s.with(s.delete)),
		endpoint.Get("/v1/settings", s.list),
	}
}

// handler answers a request of a visitor, or returns why it does not.
type handler func(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit) *answer.Failure

func (s *Service) with(h handler) endpoint.Serve {
	return func(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
		visit, f := s.Door.Visit(r, rec, at.Cluster)
		if f == nil {
			if f = h(w, r, rec, visit); f != nil {
				f = f.For(at.Cluster)
			}
		}
		if f != nil {
			answer.Fail(w, r, rec, answer.ProblemBody, f)
		}
	}
}

// admit decides whether the caller may do what it asks for, and whether it can be done.
func (s *Service) admit(r *http.Request, rec *answer.Record, visit access.Visit) (*access.Admission, *answer.Failure) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	a, f := s.Door.Admit(r.Context(), rec, visit, method, target, nil)
	if f == nil && s.Desk == nil {
		a.Done()
		return nil, noStore()
	}
	return a, f
}

func noStore() *answer.Failure {
	return answer.Failf(answer.StoreUnavailable, "this bridge has no store for settings: its operator must set --store-account and --store-key (docs/store.md); nothing was changed")
}

func (s *Service) get(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit) *answer.Failure {
	a, f := s.admit(r, rec, visit)
	if f != nil {
		return f
	}
	defer a.Done()
	doc, f, bad := s.Desk.get(r.Context(), visit.Cluster)
	switch {
	case f != nil:
		return f
	case bad != nil:
		return answer.Failf(answer.StoreUnavailable, "what the bridges' shared store has cannot be used: %w; it can be overwritten", bad)
	case doc == nil || doc.Deleted:
		return notSet(visit.Cluster)
	}
	rec.Tenant = visit.Cluster.Tenant
	instances, heard := s.hear(r.Context(), visit.Cluster)
	write(w, r, rec, http.StatusOK, view(doc, instances, heard))
	return nil
}

// hear returns how the instances of a cluster stand to settings, for which it waits as a
// request to the cluster would.
func (s *Service) hear(ctx context.Context, ref subjects.ClusterRef) (instances []directory.InstanceSettings, heard bool) {
	conn, err := s.Tenants.Acquire(ctx, ref.Tenant)
	if err != nil {
		return nil, false
	}
	defer conn.Release()
	dir := conn.Directory()
	dir.Refresh(ctx, ref.Cluster)
	if instances, _ = dir.AppendSettings(nil, ref.Cluster); len(instances) == 0 {
		if in, err := dir.Pick(ctx, ref.Cluster, new(directory.Attempt)); err == nil {
			in.Release()
		}
	}
	return dir.AppendSettings(nil, ref.Cluster)
}

func (s *Service) put(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit) *answer.Failure {
	on, f := endpoint.ReadCondition(r, "the cluster has no settings")
	if f != nil {
		return f
	}
	var body *api.AgentSettings
	if f := endpoint.ReadJSON(w, r, &body, maxBody, example); f != nil {
		return f
	}
	if body == nil {
		return answer.Failf(answer.BadRequest, "the body is null: want JSON, such as %s; DELETE removes settings", example)
	}
	if err := check(body); err != nil {
		return answer.Failf(answer.SettingsInvalid, "%w; nothing was changed", err)
	}
	entry, listed := s.Tenants.Entry(visit.Cluster.Tenant)
	if !listed {
		return answer.Failf(answer.UnknownCluster, "there is no tenant %q", answer.Clip(visit.Cluster.Tenant))
	}
	if entry.Clusters != nil && !slices.Contains(entry.Clusters, visit.Cluster.Cluster) {
		return answer.Failf(answer.UnknownCluster, "cluster %q is not in the list of its tenant's clusters", visit.Cluster)
	}
	rec.Tenant = visit.Cluster.Tenant
	a, f := s.admit(r, rec, visit)
	if f != nil {
		return f
	}
	defer a.Done()
	doc, created, f := s.Desk.change(r.Context(), visit.Cluster, document{Settings: *body, By: a.Caller.Name, At: time.Now().UTC()}, on)
	if f != nil {
		return f
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	write(w, r, rec, status, s.Desk.view(doc))
	return nil
}

func (s *Service) delete(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit) *answer.Failure {
	on, f := endpoint.ReadCondition(r, "the cluster has no settings")
	if f != nil {
		return f
	}
	a, f := s.admit(r, rec, visit)
	if f != nil {
		return f
	}
	defer a.Done()
	doc, _, f := s.Desk.change(r.Context(), visit.Cluster, document{Deleted: true, By: a.Caller.Name, At: time.Now().UTC()}, on)
	if f != nil {
		return f
	}
	answer.JSON(w, r, rec, http.StatusOK, api.SettingsDeleted{Revision: doc.revision})
	return nil
}

func write(w http.ResponseWriter, r *http.Request, rec *answer.Record, status int, v *api.ClusterSettings) {
	w.Header().Set("ETag", `"`+v.Revision+`"`)
	answer.JSON(w, r, rec, status, v)
}

// view is a document as the API shows it, without waiting for anything.
func (d *Desk) view(doc *stored) *api.ClusterSettings {
	conn, err := d.cfg.Tenants.TryAcquire(doc.ref.Tenant)
	if err != nil {
		return view(doc, nil, false)
	}
	defer conn.Release()
	instances, heard := conn.Directory().AppendSettings(nil, doc.ref.Cluster)
	return view(doc, instances, heard)
}
