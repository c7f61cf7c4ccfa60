package operations

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

const (
	// maxResult bounds what is kept of an answer in bytes: a Status of Kubernetes is
	// shorter, and an object can be read in its cluster.
	maxResult = 4 << 10
	// maxProblem bounds the detail of a problem in bytes.
	maxProblem = 1 << 10
	// maxSent is how often an operation is sent whose answer does not come, or says that
	// the API server is at fault.
	maxSent = 10
)

// outcome is what an attempt came to.
type outcome struct {
	state   api.OperationState // queued: surely not executed; running: perhaps
	sent    bool               // it may have reached the API server
	result  *api.OperationResult
	problem *api.OperationProblem
}

func (o *outcome) text() string {
	switch {
	case o.problem != nil:
		return o.problem.Code
	case o.result != nil:
		return fmt.Sprint(o.result.Status)
	}
	return ""
}

// Kinds of failures that pass, and with which nothing was executed.
var passing = []*answer.Kind{
	answer.Offline, answer.NeverConnected, answer.Reconnecting, answer.Draining, answer.BrokerDown, answer.Overloaded, answer.RateLimited,
	answer.UpstreamRefused, answer.Unreachable, answer.Untrusted, answer.AgentUnauthorized, answer.Incompatible, answer.IssuerUnreachable,
	answer.ReviewUnreachable, answer.AuditUnavailable, answer.StoreUnavailable, answer.ApprovalsUnavailable, answer.Stopping,
}

// Kinds of failures after which the request may have been executed or not.
var uncertain = []*answer.Kind{
	answer.OutcomeUnknown, answer.TimedOut, answer.AgentError, answer.UpstreamLost, answer.ProtocolError, answer.ResponseTooLarge,
	answer.ClientGone, answer.InternalError,
}

// judge says what an attempt came to. repeated says that an earlier one may have been
// executed, reached that an agent got this one.
func judge(v *value, repeated bool, r *call.Response, f *answer.Failure, reached bool) outcome {
	if f != nil {
		return judgeFailure(v, repeated, f, reached)
	}
	o := outcome{sent: true, result: resultOf(r)}
	switch {
	case r.Status < 300:
		o.state = api.OperationSucceeded
	case r.Status == http.StatusTooManyRequests: // it does not count as sent
		o.state, o.sent = waiting(repeated), false
	case r.Status >= 500:
		o.state = limited(v, api.OperationRunning)
	case repeated && done(v, r):
		o.state = api.OperationSucceeded
	case repeated: // it may be the trace of the earlier attempt
		o.state = api.OperationUnknown
	default:
		o.state = api.OperationFailed
	}
	return o
}

func judgeFailure(v *value, repeated bool, f *answer.Failure, reached bool) outcome {
	o := outcome{sent: reached, result: v.Result, problem: problemOf(f)}
	switch {
	case slices.Contains(passing, f.Kind):
		o.sent, o.state = false, waiting(repeated)
	case slices.Contains(uncertain, f.Kind):
		o.state = limited(v, api.OperationRunning)
	case reached && withdrawn(f.Kind.Lock) || repeated: // it may have run already, or an earlier attempt
		o.state = api.OperationUnknown
	default:
		o.state = api.OperationFailed
	}
	return o
}

// withdrawn reports whether a lock can end a request that runs.
func withdrawn(l answer.Lock) bool {
	return l == answer.LockAuthentication || l == answer.LockGrant || l == answer.LockApproval
}

// waiting is the state of an operation that an attempt did not execute.
func waiting(repeated bool) api.OperationState {
	if repeated {
		return api.OperationRunning
	}
	return api.OperationQueued
}

// limited is a state for as long as the operation may be sent again.
func limited(v *value, s api.OperationState) api.OperationState {
	if v.Sent+1 >= maxSent {
		return api.OperationUnknown
	}
	return s
}

// otherUID is how an API server says that the object of the name has another uid: before it
// deletes, and while it does. Its Status has no code of its own for it.
var otherUID = []string{"the UID in the precondition", "UID in precondition"}

// done reports whether the answer to a repetition says that the operation has had its
// effect: the object with the uid that was to be deleted is gone.
func done(v *value, r *call.Response) bool {
	if v.Kind != api.OperationDelete {
		return false
	}
	return r.Status == http.StatusNotFound ||
		r.Status == http.StatusConflict && !v.Version && slices.ContainsFunc(otherUID, func(text string) bool { return strings.Contains(string(r.Body), text) })
}

func problemOf(f *answer.Failure) *api.OperationProblem {
	detail := strings.ToValidUTF8(f.Detail, "?")
	if len(detail) > maxProblem {
		detail = strings.ToValidUTF8(detail[:maxProblem], "")
	}
	return &api.OperationProblem{Code: f.Kind.Code, Detail: detail}
}

// resultOf is what is kept of an answer.
func resultOf(r *call.Response) *api.OperationResult {
	var object struct {
		Metadata struct {
			UID             string `json:"uid"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	o := &api.OperationResult{Status: r.Status}
	if json.Unmarshal(r.Body, &object) == nil && len(object.Metadata.UID) <= maxName && len(object.Metadata.ResourceVersion) <= maxName {
		o.UID, o.ResourceVersion = object.Metadata.UID, object.Metadata.ResourceVersion
	}
	body := r.Body
	if o.Truncated = len(body) > maxResult; o.Truncated {
		body = body[:maxResult]
	}
	o.Body = strings.ToValidUTF8(string(body), "")
	return o
}
