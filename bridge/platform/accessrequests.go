package platform

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/subjects"
)

// maxAccessRequest bounds the body of an access request in bytes: names and a reason.
const maxAccessRequest = 16 << 10

// withCaller authenticates the caller of a route below /v1/access-requests. f writes
// the answer, or returns why there is none.
func (p *Platform) withCaller(w http.ResponseWriter, r *http.Request, rec *answer.Record, f func(v *access.Visitor) *answer.Failure) {
	v, failed := p.Door.Authenticate(r, rec)
	switch {
	case failed != nil:
	case p.Approvals == nil:
		failed = answer.Failf(answer.NotFound, "no grant of this bridge requires an approval")
	case r.Method == http.MethodPost:
		if failed = rec.Admitted(r.Context()); failed == nil { // on record before it has an effect
			failed = f(v)
		}
	default:
		failed = f(v)
	}
	if failed != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, failed)
	}
}

func (p *Platform) postAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	p.withCaller(w, r, rec, func(v *access.Visitor) *answer.Failure {
		var spec api.AccessRequestSpec
		if f := endpoint.ReadJSON(w, r, &spec, maxAccessRequest, `{"cluster": "prod", "grant": "admin", "reason": "INC-42"}`); f != nil {
			return f
		}
		ref, err := subjects.ParseClusterRef(spec.Cluster)
		if err != nil {
			return answer.Failf(answer.BadClusterName, "cluster: %w; a cluster is written prod or prod.tenant", err)
		}
		var duration time.Duration
		if spec.Duration != "" {
			if duration, err = time.ParseDuration(spec.Duration); err != nil || duration <= 0 {
				return answer.Failf(answer.BadRequest, `duration: want one between %s, such as "1h30m"`, approval.Durations)
			}
		}
		v, f := v.Current(r.Context()) // reading the body may have taken hours
		if f != nil {
			return f.With("; nothing was changed")
		}
		made, err := p.Approvals.Ask(r.Context(), v, spec.Grant, ref, spec.Reason, duration)
		if err != nil {
			return approvalFailure(err)
		}
		note(rec, made)
		answer.JSON(w, r, rec, http.StatusCreated, accessRequest(made))
		return nil
	})
}

func (p *Platform) listAccessRequests(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	p.withCaller(w, r, rec, func(v *access.Visitor) *answer.Failure {
		wanted, f := wantedState(r)
		if f != nil {
			return f
		}
		list := api.AccessRequestList{AccessRequests: []api.AccessRequest{}}
		all, err := p.Approvals.List(r.Context(), v)
		if err != nil {
			return approvalFailure(err)
		}
		for _, one := range all {
			if wanted == "" || one.State == wanted {
				list.AccessRequests = append(list.AccessRequests, accessRequest(one))
			}
		}
		p.setAge(w)
		answer.JSON(w, r, rec, http.StatusOK, list)
		return nil
	})
}

// wantedState returns the state of those that the caller wants listed, "" for all. A
// parameter that would have no effect is refused.
func wantedState(r *http.Request) (approval.State, *answer.Failure) {
	query := r.URL.Query()
	for key, values := range query {
		if key != "state" || len(values) != 1 {
			return "", answer.Failf(answer.BadRequest, "the query has %q: want state, once, or nothing", answer.Clip(key))
		}
	}
	switch s := approval.State(query.Get("state")); s {
	case "", approval.Pending, approval.Approved, approval.Denied, approval.Ended:
		return s, nil
	default:
		return "", answer.Failf(answer.BadRequest, "state %q is none of pending, approved, denied and ended", answer.Clip(string(s)))
	}
}

// setAge says how old an answer about access requests may be, which is from the bridge's
// memory: in whole seconds, as a cache does (RFC 9111 section 5.1).
func (p *Platform) setAge(w http.ResponseWriter) {
	if age := p.Approvals.Desk.Age(); age >= time.Second {
		w.Header().Set("Age", strconv.FormatInt(int64(age/time.Second), 10))
	}
}

func (p *Platform) getAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	p.withCaller(w, r, rec, func(v *access.Visitor) *answer.Failure {
		one, err := p.Approvals.Get(r.Context(), v, at.ID)
		if err != nil {
			return approvalFailure(err)
		}
		p.setAge(w)
		answer.JSON(w, r, rec, http.StatusOK, accessRequest(one))
		return nil
	})
}

func (p *Platform) approveAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	p.decideAccessRequest(w, r, rec, at.ID, true)
}

func (p *Platform) denyAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	p.decideAccessRequest(w, r, rec, at.ID, false)
}

func (p *Platform) decideAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, id string, approve bool) {
	p.withCaller(w, r, rec, func(v *access.Visitor) *answer.Failure {
		var decision api.AccessDecision
		if r.ContentLength != 0 {
			if f := endpoint.ReadJSON(w, r, &decision, maxAccessRequest, `{}`); f != nil {
				return f
			}
		}
		v, f := v.Current(r.Context()) // reading the body may have taken hours
		if f != nil {
			return f.With("; nothing was changed")
		}
		made, err := p.Approvals.Decide(r.Context(), v, id, approve, decision.Note)
		if err != nil {
			return approvalFailure(err)
		}
		note(rec, made)
		answer.JSON(w, r, rec, http.StatusOK, accessRequest(made))
		return nil
	})
}

func (p *Platform) endAccessRequest(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	p.withCaller(w, r, rec, func(v *access.Visitor) *answer.Failure {
		if r.ContentLength != 0 { // no key has an effect: one that is there is refused
			if f := endpoint.ReadJSON(w, r, &struct{}{}, maxAccessRequest, `{}`); f != nil {
				return f
			}
		}
		v, f := v.Current(r.Context()) // it may have waited for its audit event
		if f != nil {
			return f.With("; nothing was changed")
		}
		made, err := p.Approvals.End(r.Context(), v, at.ID)
		if err != nil {
			return approvalFailure(err)
		}
		note(rec, made)
		answer.JSON(w, r, rec, http.StatusOK, accessRequest(made))
		return nil
	})
}

// note notes in the record which access request was made or changed, for audit: the
// approver alone is the event's user.
func note(rec *answer.Record, r approval.Request) {
	rec.Cluster = r.Cluster
	rec.Notes = []answer.Note{
		{Key: "access-request", Value: r.ID}, {Key: "access-request-state", Value: string(r.State)},
		{Key: "access-request-caller", Value: r.Caller.Name}, {Key: "access-request-issuer", Value: r.Caller.Issuer},
		{Key: "access-request-grant", Value: r.Grant}, {Key: "access-request-reason", Value: r.Reason},
		{Key: "access-request-until", Value: answer.Stamp(r.Until)},
	}
}

// approvalFailure says what the error of an approval is over HTTP.
func approvalFailure(err error) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f
	}
	if full, ok := errors.AsType[*approval.FullError](err); ok {
		f := answer.Failf(answer.RateLimited, "%w; there is room for another one in %v, if none is decided or ended before", err, full.After.Round(time.Second))
		f.Quota = &answer.Quota{Policy: "access-requests", Amount: full.Most, Unit: answer.UnitRequests, Window: full.Window, After: full.After}
		return f
	}
	kind := answer.InternalError
	switch {
	case errors.Is(err, approval.ErrUnknown):
		kind = answer.NotFound
	case errors.Is(err, approval.ErrBad):
		kind = answer.BadRequest
	case errors.Is(err, approval.ErrOwn):
		kind = answer.ApprovalRequired
	case errors.Is(err, approval.ErrDecided):
		kind = answer.Conflict
	case errors.Is(err, approval.ErrStore):
		kind = answer.ApprovalsUnavailable
	case errors.Is(err, approval.ErrFull):
		kind = answer.RateLimited
	}
	return answer.Failf(kind, "%w", err)
}

func accessRequest(r approval.Request) api.AccessRequest {
	return api.AccessRequest{
		ID: r.ID, Cluster: r.Cluster, Grant: r.Grant, Reason: r.Reason, Duration: r.Duration.String(),
		Caller: r.Caller.Name, Issuer: r.Caller.Issuer, Created: r.Created.UTC(), State: string(r.State), Until: r.Until.UTC(),
		DecidedBy: r.DecidedBy.Name, DecidedAt: timePtr(r.DecidedAt), Note: r.Note,
		EndedBy: r.EndedBy.Name, EndedAt: timePtr(r.EndedAt),
	}
}
