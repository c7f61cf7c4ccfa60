package pullsecret

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/fleet"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

const (
	// maxNamespaces bounds those of one request, which are done one after the other in each
	// cluster.
	maxNamespaces = 100
	// maxClustersAtOnce bounds how many clusters are worked in at the same time, and so how
	// many lines are in memory.
	maxClustersAtOnce = 64
	// fleetTimeout bounds all namespaces of a cluster, where the caller has no other wish.
	fleetTimeout = "2m"
	// maxReports bounds in bytes what a line has of reports: those of a hundred pull secrets
	// of ten registries.
	maxReports = 512 << 10
)

// work is done with the pull secret of one namespace.
type work func(ctx context.Context, t *target) (api.NamespacePullSecret, *answer.Failure)

// putFleet writes a pull secret in namespaces of many clusters.
func (s *Service) putFleet(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	s.everywhere(w, r, rec, at, func() (*api.FleetPullSecret, work, *answer.Failure) {
		body, o, f := readFleet(w, r)
		return body, func(ctx context.Context, t *target) (done api.NamespacePullSecret, f *answer.Failure) {
			done.Report, done.Created, f = t.put(ctx, o)
			return done, f
		}, f
	})
}

// getFleet says whether the pull secrets of namespaces of many clusters are well formed.
func (s *Service) getFleet(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	s.everywhere(w, r, rec, at, func() (*api.FleetPullSecret, work, *answer.Failure) {
		where, _, f := readWhere(r, false)
		return where, func(ctx context.Context, t *target) (done api.NamespacePullSecret, f *answer.Failure) {
			done.Report, f = t.inspect(ctx, rec.ID)
			return done, f
		}, f
	})
}

// deleteFleet removes pull secrets from namespaces of many clusters.
func (s *Service) deleteFleet(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	s.everywhere(w, r, rec, at, func() (*api.FleetPullSecret, work, *answer.Failure) {
		where, keep, f := readWhere(r, true)
		return where, func(ctx context.Context, t *target) (done api.NamespacePullSecret, f *answer.Failure) {
			done.Deleted, f = t.remove(ctx, condition{}, keep)
			return done, f
		}, f
	})
}

// everywhere answers a request for many clusters. read reads where and what.
func (s *Service) everywhere(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place, read func() (*api.FleetPullSecret, work, *answer.Failure)) {
	v, f := s.caller.Door.Authenticate(r, rec)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	where, do, f := read()
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	timeout := where.Timeout
	if timeout == "" {
		timeout = fleetTimeout
	}
	s.fleet.Run(w, r, rec, v, &fleet.Job{
		Call: &api.FleetCall{
			Clusters: where.Clusters, Selector: where.Selector, Tenant: where.Tenant, State: where.State, Deadline: where.Deadline, Concurrency: where.Concurrency, Call: api.Call{Timeout: timeout},
		},
		Concurrency: maxClustersAtOnce,
		Do: func(ctx context.Context, session *call.Session, visit access.Visit) (*api.FleetLine, *answer.Failure) {
			return inCluster(ctx, rec.ID, func(namespace string) *target {
				return &target{session: session, visit: visit, memory: s.memory, namespace: namespace, name: at.Name}
			}, where.Namespaces, do)
		},
	})
}

// inCluster does the work in all namespaces of a cluster, unless it cannot be done in any. The
// failure is the first one of a namespace.
func inCluster(ctx context.Context, requestID string, in func(namespace string) *target, namespaces []string, do work) (*api.FleetLine, *answer.Failure) {
	var first *answer.Failure
	size := 0
	results := make([]json.RawMessage, 0, len(namespaces))
	for _, namespace := range namespaces {
		t := in(namespace)
		done, f := do(ctx, t)
		done.Namespace = namespace
		if f != nil {
			f = f.For(t.visit.Name())
			done.Problem = f.Problem(requestID)
			if first == nil {
				first = f
			}
		}
		b := encode(&done)
		if size += len(b); size > maxReports {
			size -= len(b)
			done.Report, done.Omitted = nil, done.Report != nil
			b = encode(&done) // a few hundred bytes
		}
		results = append(results, b)
		if ctx.Err() != nil || f != nil && ofCluster(f) {
			break // each of the others would say the same
		}
	}
	line := &api.FleetLine{Body: encode(map[string]any{"namespaces": results})}
	if first == nil {
		line.Status = http.StatusOK
	}
	return line, first
}

// ofCluster reports whether a failure would be that of any other namespace too.
func ofCluster(f *answer.Failure) bool {
	switch f.Kind {
	case answer.Unauthenticated, answer.UnknownCluster, answer.NeverConnected, answer.Offline, answer.Reconnecting, answer.BrokerDown, answer.Stopping:
		return true
	}
	return false
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only our own types come here
		panic("pullsecret: encode a result")
	}
	return b
}
