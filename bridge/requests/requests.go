package requests

import (
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// maxBody bounds the body of a call as JSON, in bytes; larger ones have /k8s.
// [call.MaxResponse] bounds the response.
const maxBody = 8 << 20

// Service serves the route. Its fields are set before the first request and never
// changed. It is safe for concurrent use.
type Service struct {
	Caller *call.Caller
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route {
	return []endpoint.Route{endpoint.Post("/v1/clusters/{cluster}/requests", s.post)}
}

// post carries out one call.
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
	var c api.Call
	share, f := s.Caller.Bodies.ReadJSON(w, r, endpoint.CallerOf(rec), &c, maxBody, `{"path": "/version"}`)
	if f != nil {
		return f
	}
	defer share.End()
	c.Stream = c.Stream || acceptsLines(r.Header)
	req, f := call.Read(&c)
	if f != nil {
		return f
	}
	if c.Stream {
		return s.stream(w, r, rec, visit, req)
	}
	response, f := s.Caller.Do(r.Context(), rec, visit, req)
	if f != nil {
		return f
	}
	result := response.Result()
	result.Duration = time.Since(rec.Start).String()
	answer.JSON(w, r, rec, http.StatusOK, result)
	return nil
}
