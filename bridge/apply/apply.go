package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/ndjson"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// maxParsed is how many bodies are parsed at a time: a document is at most 3 MiB, and while
// it is parsed up to 100 times that. Callers take turns.
const maxParsed = 2

// Service serves the route. Its fields are set before the first request and never changed.
// It is safe for concurrent use.
type Service struct {
	Caller *call.Caller

	parsing turns
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{endpoint.Post("/v1/clusters/{cluster}/apply", s.post)}
}

func (s *Service) post(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	if f := s.serve(w, r, rec, at.Cluster); f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(at.Cluster))
	}
}

// serve answers unless it returns a failure.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, cluster string) *answer.Failure {
	visit, f := s.Caller.Door.Visit(r, rec, cluster)
	if f != nil {
		return f
	}
	o, err := readOptions(r.URL.RawQuery)
	if err != nil {
		return answer.Failf(answer.BadRequest, "%w", err)
	}
	caller := endpoint.CallerOf(rec)
	share, f := s.Caller.Bodies.Take(caller, r.ContentLength, maxBody)
	if f != nil {
		return f
	}
	defer share.End()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	rec.Received = int64(len(body))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return answer.Failf(answer.BodyTooLarge, "the body is larger than %d bytes; it can be applied in parts", maxBody)
	} else if err != nil {
		return answer.Failf(answer.BadRequest, "request body: %w", err)
	}
	share.Keep(int64(len(body)))
	all, f := s.parse(r.Context(), caller, o, body)
	if f != nil && withoutLines(r, body) {
		return f.With("; the body has no line ends: curl -d removes them, and --data-binary does not")
	}
	if f != nil {
		return f
	}
	return s.apply(w, r, rec, visit, o, all)
}

// withoutLines reports whether a body looks like one of curl -d, which is YAML no more.
func withoutLines(r *http.Request, body []byte) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && !bytes.ContainsRune(body, '\n')
}

// parse makes objects of a body, in its caller's turn.
func (s *Service) parse(ctx context.Context, caller string, o *options, body []byte) ([]*object, *answer.Failure) {
	if s.parsing.enter(ctx, caller) != nil {
		return nil, answer.Failf(answer.ClientGone, "the caller went away")
	}
	defer s.parsing.leave()
	all, err := parse(o, body)
	if err != nil {
		return nil, answer.Failf(answer.BadRequest, "%w; nothing was executed", err)
	}
	return all, nil
}

// parse makes objects of a body, and checks them against the options.
func parse(o *options, body []byte) ([]*object, error) {
	docs, err := documents(body)
	if err != nil {
		return nil, err
	}
	all, err := objects(docs)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("the body has no objects")
	}
	if err := checkTwice(all, o.namespace); err != nil {
		return nil, err
	}
	for _, one := range all {
		if o.prune != nil && !o.prune.Matches(one.labels) {
			return nil, fmt.Errorf("%s does not have the labels that prune selects (%s), and would never be pruned", one, o.prune)
		}
	}
	return all, nil
}

// apply applies objects, and answers with what becomes of them, unless it returns a failure.
func (s *Service) apply(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit, o *options, all []*object) *answer.Failure {
	ctx, cancel := context.WithTimeout(r.Context(), o.timeout)
	defer cancel()
	c := &client{session: s.Caller.For(r, rec), visit: visit}
	a := &applier{
		options: o, cluster: visit.Name(), requestID: rec.ID, client: c, cancel: cancel, begun: time.Now(),
		discovery: &discovery{client: c, known: map[schema.GroupVersion]*found{}},
		uids:      map[string]bool{}, keys: map[key]bool{}, definitions: map[schema.GroupKind]*definitionState{},
	}
	a.discovery.load(ctx, versionsOf(all))
	if f := a.discovery.failure(); f != nil { // the response can still say it with its status
		return f.Of("")
	}
	a.out = ndjson.Begin(w, r, rec)
	a.run(ctx, all)
	rec.Aborted = a.out.End()
	return nil
}

// versionsOf are the versions of the objects' kinds, each once.
func versionsOf(all []*object) (versions []schema.GroupVersion) {
	for _, o := range all {
		if gv := o.gvk.GroupVersion(); !slices.Contains(versions, gv) {
			versions = append(versions, gv)
		}
	}
	return versions
}
