package operations

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/store/lease"
)

// callTimeout bounds one attempt. It is the limit of API servers themselves for requests
// that do not last, so that their own answer comes.
const callTimeout = 60 * time.Second

// userAgent is that of executions, in audit events.
const userAgent = "fairlead-operations"

// execute makes the request of an operation, if its caller may still make it. repeated
// says that an earlier attempt may have been executed.
func (s *Service) execute(ctx context.Context, v *value, repeated bool) outcome {
	if entry, listed := s.Tenants.Entry(v.Tenant); !listed || entry.Account != v.Account {
		f := answer.Failf(answer.UnknownCluster, "tenant %q has another account than when the operation was queued; nothing was executed", v.Tenant)
		return judge(v, repeated, nil, f, false)
	}
	rec := &answer.Record{
		ID: "operation-" + v.ID + "." + strconv.Itoa(v.Attempts), Start: time.Now(), Remote: v.Remote, Route: "/v1/clusters/{cluster}/operations",
		Notes: []answer.Note{{Key: "operation", Value: v.ID}, {Key: "operation-request", Value: v.Request}},
	}
	header := http.Header{"Content-Type": {v.Type}, "Accept": {"application/json"}, "User-Agent": {userAgent}}
	if s.Caller.Follow != nil {
		defer s.Caller.Follow(followed(ctx, v), rec)()
	}
	response, f := s.send(ctx, rec, v, header)
	switch {
	case f != nil:
		rec.Failure, rec.Status = f, f.Kind.Status
	default:
		rec.Status, rec.Sent = response.Status, int64(len(response.Body))
	}
	return judge(v, repeated, response, f, rec.Instance != "")
}

func (s *Service) send(ctx context.Context, rec *answer.Record, v *value, header http.Header) (*call.Response, *answer.Failure) {
	if !s.Tenants.Signed(sealed, v.Made, v.Seal) {
		s.log.Error("an operation in the shared store was not queued by a bridge with this bridge's key; it is not executed", "operation", v.ID, refOf(v.ref()), "caller", v.Caller.Name)
		return nil, answer.Failf(answer.Unauthenticated, "the operation was not queued by a bridge with the key that bridges have now (--bridge-key); nothing was executed")
	}
	visit, f := s.Caller.Door.Return(ctx, rec, v.Caller.absent(v.As), v.ref())
	if f != nil {
		return nil, f
	}
	return s.Caller.Do(ctx, rec, visit, &call.Request{
		Method: v.Method, Target: v.Target, Header: header, Body: v.Body, Timeout: callTimeout, Last: func() *answer.Failure { return leased(ctx) },
	})
}

// leased refuses what a bridge is about to send that stood still for so long that another
// one may be at work.
func leased(ctx context.Context) *answer.Failure {
	if lease.Valid(ctx) {
		return nil
	}
	return answer.Failf(answer.StoreUnavailable, "the bridge could not renew the lease of the cluster's operations in time; nothing was executed")
}

// followed is the request as audit follows it.
func followed(ctx context.Context, v *value) *http.Request {
	path, query, _ := strings.Cut(v.Target, "?")
	r := &http.Request{
		Method: v.Method, URL: &url.URL{Path: path, RawQuery: query}, RequestURI: v.Target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {userAgent}}, Body: http.NoBody, ContentLength: int64(len(v.Body)), RemoteAddr: v.Remote,
	}
	return r.WithContext(ctx)
}
