package bridge

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A request to impersonate another user is refused, and never executed as the
// agent.
func TestImpersonationIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var executed atomic.Int32
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		executed.Add(1)
		reply(s, 200, "")
	})
	names := map[string]string{ // as sent, and as the answer names it
		"Impersonate-User": "Impersonate-User", "impersonate-user": "Impersonate-User", "IMPERSONATE-GROUP": "Impersonate-Group",
		"impersonate-uid": "Impersonate-Uid", "Impersonate-Extra-Scopes": "Impersonate-Extra-Scopes",
		"Impersonate-Extra-A%2fb": "Impersonate-Extra-A%2fb", "Impersonate_User": "Impersonate_user", "Impersonate-": "Impersonate-",
	}
	r.both(t, func(t *testing.T, c *http.Client) {
		for name, shown := range names {
			for _, value := range []string{"weak", ""} {
				req := r.request("DELETE", "/k8s/clusters/prod/api/v1/namespaces/x/pods/y", nil)
				req.Header[name] = []string{value}
				req.Header["X-Request-Id"] = []string{"mine-1"}
				res, body := r.do(c, req)
				s := wantFailure(t, res, body, answer.Impersonation)
				if s.Reason != "Forbidden" || !strings.Contains(s.Message, `"`+shown+`"`) ||
					!strings.Contains(s.Message, "impersonation through this bridge is not allowed") || s.Details.Name != "prod" {
					t.Errorf("%s: %s", name, body)
				}
				if id := res.Header.Get("X-Request-Id"); id != "mine-1" {
					t.Errorf("%s: request id %q, want the caller's", name, id)
				}
			}
		}
		req := r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/x"}`))
		req.Header.Set("Impersonate-User", "weak")
		res, body := r.do(c, req)
		wantFailure(t, res, body, answer.Impersonation)
	})
	for _, headers := range []string{
		`{"Impersonate-User":"weak"}`, `{"impersonate-GROUP":["a","b"]}`, `{"X-A":"b","impersonate_user":"weak"}`,
		`{"Impersonate-User":""}`, `{"Connection":"Impersonate-User","Impersonate-User":"weak"}`,
	} {
		res, body := r.call(`{"path":"/x","method":"DELETE","headers":` + headers + `}`)
		wantFailure(t, res, body, answer.Impersonation)
	}
	// The lines of the last two are what only a raw client sends: net/http lets
	// neither a space nor a line of its own pass, a Connection header names it
	// in vain, and an upgrade is refused before it is one.
	const rest = "Host: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n"
	for head, want := range map[string]int{
		"Impersonate-User: weak\r\nConnection: Impersonate-User\r\n":         403,
		"Connection: Impersonate-User\r\nimpersonate-user: weak\r\n":         403,
		"Impersonate-User:\tweak\r\nImpersonate-User: strong\r\n":            403,
		"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nimpersonate-uid: 1\r\n": 403,
		"Impersonate-User : weak\r\n":                                        400,
		" Impersonate-User: weak\r\n":                                        400,
		"Impersonate User: weak\r\n":                                         400,
		"X-A: b\r\n Impersonate-User: weak\r\n":                              200, // the value of X-A, continued
	} {
		executed.Store(0)
		_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.1\r\n" + head + rest)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%q: %v, %v, want %d", head, res, err, want)
			continue
		}
		if b, _ := io.ReadAll(res.Body); want == 403 && !strings.Contains(string(b), `"reason":"Forbidden"`) {
			t.Errorf("%q: %s", head, b)
		}
		if got := executed.Load(); got != 0 && want != 200 {
			t.Errorf("%q was executed", head)
		}
	}
	if got := r.metric("fairlead_bridge_failures_total"); got < 20 {
		t.Errorf("%v failures counted", got)
	}
}
