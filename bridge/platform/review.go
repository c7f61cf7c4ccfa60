package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxReviewRequest bounds the body of an access review in bytes: names and a path.
	maxReviewRequest = 64 << 10
	// reviewTimeout bounds the answer of the cluster, which is one small request.
	reviewTimeout = 10 * time.Second
)

// The locks of an access review.
const (
	lockAllowList = "allow-list"
	lockRBAC      = "rbac"
)

// postAccessReview says whether the caller may make a request, and which lock
// decides. The request is not made.
func (p *Platform) postAccessReview(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	name := at.Cluster
	visit, f := p.Door.Visit(r, rec, name)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	var review api.AccessReview
	if f := endpoint.ReadJSON(w, r, &review, maxReviewRequest, `{"path": "/api/v1/pods"}`); f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(name))
		return
	}
	head, f := reviewedRequest(&review)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(name))
		return
	}
	result, f := p.review(r.Context(), rec, visit, head)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(name))
		return
	}
	answer.JSON(w, r, rec, http.StatusOK, result)
}

func (p *Platform) review(ctx context.Context, rec *answer.Record, visit access.Visit, head *subjects.RequestHead) (*api.AccessReviewResult, *answer.Failure) {
	// What the record says is done is the review, not the request.
	admission, f := p.Door.Admit(ctx, &answer.Record{}, visit, head.Method, head.Target, asSent(head))
	if f != nil {
		if f.Kind.Status != http.StatusForbidden {
			return nil, f
		}
		return &api.AccessReviewResult{Lock: string(f.Kind.Lock), Code: f.Kind.Code, Reason: f.Detail}, nil
	}
	defer admission.Done()
	result := &api.AccessReviewResult{Lock: lockRBAC, Grant: admission.Decision.Grant}
	if as := admission.Identity(); as != nil {
		result.As = &api.User{User: as.User, UID: as.UID, Groups: as.Groups, Extra: as.Extra}
	}
	head.RequestID, head.Timeout = rec.ID, reviewTimeout
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	to := tunnel.Destination{Cluster: visit.Cluster, Name: rec.Cluster, As: admission.Identity(), Review: true}
	response, f := p.Tunnel.Call(ctx, rec, to, head, nil, admission)
	if f != nil {
		if f.Kind != answer.Refused {
			return nil, f
		}
		result.Lock, result.Code, result.Reason = lockAllowList, f.Kind.Code, f.Detail
		return result, nil
	}
	return result, readReview(response, result)
}

// asSent are the headers of a request that is asked about as far as a decision depends on
// them: an exec, attach or port-forward upgrades its connection.
func asSent(head *subjects.RequestHead) http.Header {
	if info, err := requestinfo.Parse(head.Method, head.Target); err != nil || !info.Upgrades() {
		return nil
	}
	return http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
}

// readReview reads the answer of the API server: a SelfSubjectAccessReview, or a
// Status, as where the agent may not act as the user.
func readReview(response *tunnel.Response, result *api.AccessReviewResult) *answer.Failure {
	var body struct {
		Kind    string
		Message string
		Status  json.RawMessage
	}
	var status struct {
		Allowed                 bool
		Reason, EvaluationError string
	}
	err := json.Unmarshal(response.Body, &body)
	switch {
	case err == nil && response.Status == http.StatusCreated && body.Kind == "SelfSubjectAccessReview":
		if err = json.Unmarshal(body.Status, &status); err == nil {
			result.Allowed, result.Reason = status.Allowed, strings.TrimSpace(status.Reason+" "+status.EvaluationError)
			return nil
		}
	case err == nil && response.Status == http.StatusForbidden && body.Kind == "Status":
		result.Reason = body.Message
		return nil
	}
	return answer.Failf(answer.AgentError, "the API server answered the access review with status %d, which is not a review", response.Status)
}

// reviewedRequest makes the request that is asked about.
func reviewedRequest(v *api.AccessReview) (*subjects.RequestHead, *answer.Failure) {
	head := &subjects.RequestHead{Method: v.Method, Target: v.Path, Header: http.Header{}}
	switch {
	case v.Path != "" && (v.Verb != "" || v.Resource != ""):
		return nil, answer.Failf(answer.BadRequest, "give path, or verb and resource, not both")
	case v.Path != "":
		if f := endpoint.Absolute(v.Path); f != nil {
			return nil, f
		}
	case v.Verb == "" || v.Resource == "":
		return nil, answer.Failf(answer.BadRequest, "give path, or verb and resource")
	default:
		var err error
		asked := requestinfo.Attributes{Verb: v.Verb, Group: v.Group, Version: v.Version, Resource: v.Resource,
			Subresource: v.Subresource, Namespace: v.Namespace, Name: v.Name}
		if head.Method, head.Target, err = asked.Request(); err != nil {
			return nil, answer.Failf(answer.BadRequest, "%w", err)
		}
	}
	if head.Method == "" {
		head.Method = http.MethodGet
	}
	return head, nil
}
