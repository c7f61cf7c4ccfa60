package pullsecret

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

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
	// maxClustersAtOnce bounds how many answers of clusters are in memory, of maxResponse
	// bytes at most.
	maxClustersAtOnce = 64
	// fleetTimeout bounds all namespaces of a cluster, where the caller has no other wish.
	fleetTimeout = "2m"
)

const fleetExample = `{"clusters": ["prod.acme"], "namespaces": ["shop"], "registry": "registry.example.com", "username": "robot", "token": "..."}`

// putFleet writes a pull secret in namespaces of many clusters.
func (s *Service) putFleet(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	v, f := s.Caller.Door.Authenticate(r, rec)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	body, o, f := readFleet(w, r)
	if f != nil {
		fail(w, r, rec, f)
		return
	}
	s.Fleet.Run(w, r, rec, v, &fleet.Job{
		Call: &api.FleetCall{
			Clusters: body.Clusters, Deadline: body.Deadline, Concurrency: body.Concurrency, Call: api.Call{Timeout: body.Timeout},
		},
		Concurrency: maxClustersAtOnce,
		Do: func(ctx context.Context, session *call.Session, visit access.Visit) (*api.FleetLine, *answer.Failure) {
			return o.everywhere(ctx, session, visit, at.Name, body.Namespaces)
		},
	})
}

// readFleet reads the body of a request for many clusters.
func readFleet(w http.ResponseWriter, r *http.Request) (*api.FleetPullSecret, *order, *answer.Failure) {
	replace, f := readMode(r)
	if f != nil {
		return nil, nil, f
	}
	if r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "" {
		return nil, nil, answer.Failf(answer.BadRequest, "If-Match and If-None-Match are for the pull secret of one namespace")
	}
	var body api.FleetPullSecret
	if f := readBody(w, r, &body, fleetExample); f != nil {
		return nil, nil, f
	}
	if f := checkNamespaces(body.Namespaces); f != nil {
		return nil, nil, f
	}
	if body.Timeout == "" {
		body.Timeout = fleetTimeout
	}
	o, f := check(&body.PullSecret)
	if f != nil {
		return nil, nil, f
	}
	o.replace = replace
	return &body, o, nil
}

func checkNamespaces(names []string) *answer.Failure {
	if len(names) == 0 || len(names) > maxNamespaces {
		return answer.Failf(answer.BadRequest, "namespaces: want 1 to %d", maxNamespaces)
	}
	seen := map[string]bool{}
	for i, name := range names {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return answer.Failf(answer.BadRequest, "namespaces[%d]: %s", i, strings.Join(wrong, "; "))
		}
		if seen[name] {
			return answer.Failf(answer.BadRequest, "namespaces[%d]: %q is there twice", i, name)
		}
		seen[name] = true
	}
	return nil
}

// everywhere writes the pull secret in all namespaces of a cluster. The failure is the
// first one of a namespace.
func (o *order) everywhere(ctx context.Context, session *call.Session, visit access.Visit, name string, namespaces []string) (*api.FleetLine, *answer.Failure) {
	var first *answer.Failure
	result := api.FleetPullSecretResult{Namespaces: make([]api.NamespacePullSecret, 0, len(namespaces))}
	status := http.StatusOK
	for _, namespace := range namespaces {
		t := &target{session: session, visit: visit, namespace: namespace, name: name}
		done := api.NamespacePullSecret{Namespace: namespace}
		report, created, f := t.put(ctx, o)
		done.Report, done.Created = report, created
		if f != nil {
			f = f.For(visit.Name())
			done.Problem = f.Problem("")
			if first == nil {
				first, status = f, 0
			}
		}
		result.Namespaces = append(result.Namespaces, done)
		if ctx.Err() != nil {
			break // each of the others would say the same
		}
	}
	b, err := json.Marshal(result)
	if err != nil { // only our own types are in it
		panic("pullsecret: encode a result")
	}
	return &api.FleetLine{Status: status, Body: b}, first
}
