package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// wantFailure checks that a response is the table's row of a code, as the
// Status or the problem that its path promises.
func wantFailure(t *testing.T, res *http.Response, body string, want *answer.Kind) answer.Status {
	t.Helper()
	if res.StatusCode != want.Status || res.Header.Get("Fairlead-Error") != want.Code {
		t.Fatalf("got %d %q (%s), want %d %s", res.StatusCode, res.Header.Get("Fairlead-Error"), body, want.Status, want.Code)
	}
	wantRetry, seconds := "", int(want.Retry/time.Second)
	if want == answer.RateLimited { // which depends on the limit
		_, wait, _ := strings.Cut(res.Header.Get("RateLimit"), ";r=0;t=")
		seconds, _ = strconv.Atoi(wait)
	}
	if want.Retry != 0 && !want.Lasting {
		wantRetry = strconv.Itoa(seconds)
	}
	if retry := res.Header.Get("Retry-After"); retry != wantRetry {
		t.Errorf("%s: Retry-After %q, want %q", want.Code, retry, wantRetry)
	}
	if !strings.HasPrefix(res.Request.URL.Path, "/k8s/") {
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != want.Status || p.Code != want.Code || p.Detail == "" ||
			res.Header.Get("Content-Type") != "application/problem+json" || p.RequestID != res.Header.Get("X-Request-Id") {
			t.Errorf("%s: %s is not the problem that was promised (%v)", want.Code, body, err)
		}
		return answer.Status{}
	}
	var s answer.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.Kind != "Status" || s.APIVersion != "v1" || s.Status != "Failure" ||
		s.Code != want.Status || s.Reason != want.Reason || s.Message == "" || s.Details.Causes[0].Reason != want.Code ||
		res.Header.Get("Content-Type") != "application/json" || s.Details.UID != res.Header.Get("X-Request-Id") {
		t.Errorf("%s: %s is not the Status that was promised (%v)", want.Code, body, err)
	}
	if want.Retry != 0 && s.Details.RetryAfterSeconds != seconds {
		t.Errorf("%s: retryAfterSeconds %d", want.Code, s.Details.RetryAfterSeconds)
	}
	return s
}

// An agent's reset code is answered as the table of codes says.
func TestAgentsRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var executed atomic.Int32
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		executed.Add(1)
		code, _ := strconv.Atoi(strings.TrimPrefix(head.Target, "/"))
		if code == 0 {
			_ = s.WriteFinal([]byte{0, 0}) // no head
			return
		}
		s.Reset(subjects.Code(code), "the agent's words")
	})
	for code, want := range map[subjects.Code]*answer.Kind{
		0:                            answer.ProtocolError,
		subjects.CodeCanceled:        answer.AgentError,
		subjects.CodeProtocol:        answer.ProtocolError,
		subjects.CodeIncompatible:    answer.Incompatible,
		subjects.CodeInternal:        answer.AgentError,
		subjects.CodeOverloaded:      answer.Overloaded,
		subjects.CodeDraining:        answer.Draining,
		subjects.CodeRefused:         answer.Refused,
		subjects.CodeTooLarge:        answer.HeadTooLarge,
		subjects.CodeUnreachable:     answer.Unreachable,
		subjects.CodeUntrusted:       answer.Untrusted,
		subjects.CodeUpstream:        answer.UpstreamLost,
		subjects.CodeTimeout:         answer.TimedOut,
		subjects.CodeUnknownOutcome:  answer.OutcomeUnknown,
		subjects.CodeShutdown:        answer.OutcomeUnknown,
		subjects.CodeBadRequest:      answer.BadRequest,
		subjects.CodeUpstreamRefused: answer.UpstreamRefused,
		subjects.CodeUnauthorized:    answer.AgentUnauthorized,
		subjects.Code(999):           answer.AgentError,
	} {
		for _, method := range []string{"GET", "POST"} {
			executed.Store(0)
			res, body := r.do(r.h2, r.request(method, fmt.Sprintf("/k8s/clusters/prod/%d", code), nil))
			s := wantFailure(t, res, body, want)
			if code != 0 && !strings.Contains(s.Message, "the agent's words") {
				t.Errorf("%v: message %q hides the agent's", code, s.Message)
			}
			if n := executed.Load(); n != 1 {
				t.Errorf("%v: one agent was asked %d times", code, n)
			}
		}
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	req := r.request("GET", "/k8s/clusters/prod/x", nil)
	for i := range subjects.MaxHeaders + 1 {
		req.Header.Add("X-Many", strconv.Itoa(i))
	}
	res, body := r.do(r.h1, req)
	wantFailure(t, res, body, answer.HeadTooLarge)

	_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nX-Big: " +
		strings.Repeat("x", maxHeaderBytes+8192) + "\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 431 {
		t.Errorf("a head over the limit: %v, %v, want a 431", res, err)
	}
	for _, target := range []string{"/", "/v2", "/v1/clusters/a/b/c", "/v1/clusters/", "/k8s", "/k8s/clusters"} {
		res, body := r.do(r.h1, r.request("GET", target, nil))
		if res.StatusCode != 404 || res.Header.Get("Fairlead-Error") != "not-found" {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
	}
	for _, line := range []string{"CONNECT example.com:443", "OPTIONS *"} {
		_, br := r.raw(line + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 404 && res.StatusCode != 200 {
			t.Errorf("%s: %v, %v", line, res, err)
		}
	}
}
