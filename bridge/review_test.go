package bridge

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// asUser lets every caller of a cluster act as one user, but delete nothing.
type asUser struct {
	access.TokenClusters
	user   subjects.Identity
	record bool
}

func (a *asUser) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	if _, err := a.TokenClusters.Authorize(ctx, c, req); err != nil {
		return nil, err
	}
	info, err := req.Info()
	if err != nil {
		return nil, answer.Failf(answer.BadRequest, "%w", err)
	}
	if info.Verb == "delete" {
		return nil, answer.Failf(answer.Forbidden, "no grant lets %s delete %s", c.Name, info.Resource)
	}
	return &access.Decision{Grant: "users", As: &a.user, Record: a.record}, nil
}

func newUserRig(t *testing.T) *rig {
	jane := subjects.Identity{User: "jane", Groups: []string{"dev"}, UID: "u-1", Extra: map[string][]string{"k": {"v"}}}
	return newRig(t, rigOptions{config: func(c *Config) { c.Authorizer = &asUser{user: jane} }})
}

// identityOf is the user as whom a head asks to be executed, nil for the agent.
func identityOf(t testing.TB, head *subjects.RequestHead) (id *subjects.Identity, review bool) {
	t.Helper()
	for _, e := range head.Extensions {
		switch e.ID {
		case subjects.ExtensionIdentity:
			var err error
			if id, err = subjects.ParseIdentity(e.Value); err != nil {
				t.Errorf("identity: %v", err)
			}
		case subjects.ExtensionReview:
			review = true
		}
	}
	return id, review
}

// The user that a grant names goes with the request, whichever way it comes.
func TestDecisionTravelsWithTheRequest(t *testing.T) {
	t.Parallel()
	r := newUserRig(t)
	heads := make(chan *subjects.RequestHead, 1)
	r.agent("default", "prod", func(h *subjects.RequestHead, s *stream.Stream) {
		heads <- h
		reply(s, 200, "")
	})
	check := func(way string) {
		t.Helper()
		id, review := identityOf(t, <-heads)
		if id == nil || id.User != "jane" || id.UID != "u-1" || strings.Join(id.Groups, " ") != "dev" || id.Extra["k"][0] != "v" || review {
			t.Errorf("%s: executed as %+v, review %v", way, id, review)
		}
	}
	r.both(t, func(t *testing.T, c *http.Client) {
		if res, body := r.do(c, r.request("GET", "/k8s/clusters/prod/api/v1/pods", nil)); res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		check("/k8s")
	})
	if res, body := r.call(`{"path":"/api/v1/pods"}`); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	check("call")
	res, body := r.do(r.h1, r.request("DELETE", "/k8s/clusters/prod/api/v1/namespaces/a/pods/b", nil))
	wantFailure(t, res, body, answer.Forbidden)
	res, body = r.call(`{"path":"/api/v1/namespaces/a/pods/b","method":"DELETE"}`)
	wantFailure(t, res, body, answer.Forbidden)
}

// An access review names the lock that decides, and the request is not made.
func TestAccessReview(t *testing.T) {
	t.Parallel()
	r := newUserRig(t)
	r.agent("default", "prod", func(h *subjects.RequestHead, s *stream.Stream) {
		id, review := identityOf(t, h)
		if id == nil || id.User != "jane" || !review || len(h.Header) > 1 {
			t.Errorf("%s %s as %+v, review %v, header %v", h.Method, h.Target, id, review, h.Header)
		}
		const answered = `{"kind":"SelfSubjectAccessReview","status":`
		switch {
		case strings.Contains(h.Target, "secrets"):
			s.Reset(subjects.CodeRefused, "rule no-secrets")
		case h.Target == "/api/v1/namespaces/shop/pods?watch=true":
			reply(s, 201, answered+`{"allowed":true,"reason":"RBAC: allowed by x"}}`)
		case strings.Contains(h.Target, "nodes"):
			reply(s, 403, `{"kind":"Status","message":"cannot impersonate users"}`)
		case strings.HasSuffix(h.Target, "/pods"):
			reply(s, 201, answered+`{"allowed":true}}`)
		case strings.Contains(h.Target, "strange"):
			reply(s, 200, `{}`)
		default:
			reply(s, 201, answered+`{"allowed":false}}`)
		}
	})
	for body, want := range map[string]api.AccessReviewResult{
		`{"verb":"watch","resource":"pods","namespace":"shop"}`:                    {Allowed: true, Lock: "rbac", Reason: "RBAC: allowed by x", Grant: "users"},
		`{"path":"/api/v1/namespaces/shop/pods?watch=true"}`:                       {Allowed: true, Lock: "rbac", Reason: "RBAC: allowed by x", Grant: "users"},
		`{"verb":"create","group":"apps","resource":"deployments"}`:                {Lock: "rbac", Grant: "users"},
		`{"verb":"get","resource":"nodes","name":"n"}`:                             {Lock: "rbac", Grant: "users", Reason: "cannot impersonate users"},
		`{"verb":"create","resource":"pods","namespace":"a"}`:                      {Allowed: true, Lock: "rbac", Grant: "users"},
		`{"verb":"create","resource":"pods","subresource":"exec","namespace":"a"}`: {Lock: "rbac", Grant: "users"},
		`{"verb":"create","resource":"pods/exec","namespace":"a"}`:                 {Lock: "rbac", Grant: "users"},
		`{"path":"/api/v1/secrets"}`:                                               {Lock: "allow-list", Grant: "users", Code: "refused"},
		`{"verb":"delete","resource":"pods","namespace":"a","name":"b"}`:           {Lock: "grant", Code: "forbidden", Reason: "no grant lets admin delete pods"},
		`{"path":"/api/v1/namespaces/a/pods/b","method":"DELETE"}`:                 {Lock: "grant", Code: "forbidden", Reason: "no grant lets admin delete pods"},
	} {
		res, got := r.do(r.h1, r.request("POST", "/v1/clusters/prod/access-reviews", strings.NewReader(body)))
		if res.StatusCode != 200 {
			t.Errorf("%s: %d %s", body, res.StatusCode, got)
			continue
		}
		result := decode[api.AccessReviewResult](t, got)
		if (result.As != nil) != (want.Grant != "") || result.As != nil && result.As.User != "jane" {
			t.Errorf("%s: as %+v", body, result.As)
		}
		result.As = nil
		if want.Code == "refused" {
			if !strings.Contains(result.Reason, "no-secrets") {
				t.Errorf("%s: %s", body, got)
			}
			result.Reason = ""
		}
		if result != want {
			t.Errorf("%s:\n got %+v\nwant %+v", body, result, want)
		}
	}
	for body, want := range map[string]*answer.Kind{
		``: answer.BadRequest, `{}`: answer.BadRequest, `{"path":"x"}`: answer.BadRequest, `{"verb":"get","resource":"pods"}`: answer.BadRequest,
		`{"verb":"get"}`: answer.BadRequest, `{"path":"/x","verb":"get"}`: answer.BadRequest, `{"verb":"own","resource":"pods"}`: answer.BadRequest,
		`{"verb":"create","resource":"pods/exec","subresource":"log"}`: answer.BadRequest,
		`{"verb":"watch","resource":"pods","subresource":"log"}`:       answer.BadRequest,
		`{"pathh":"/x"}`: answer.BadRequest, `{"path":"/` + strings.Repeat("x", 70_000) + `"}`: answer.BodyTooLarge,
		`{"path":"/strange"}`: answer.AgentError,
	} {
		res, got := r.do(r.h1, r.request("POST", "/v1/clusters/prod/access-reviews", strings.NewReader(body)))
		wantFailure(t, res, got, want)
	}
	for body, want := range map[string]string{
		`{"apiGroup":"apps"}`: `did you mean \"group\"?`, `{"ressource":"pods"}`: `did you mean \"resource\"?`, `{"zzz":1}`: `unknown field \"zzz\"; there are method, path,`,
	} {
		if _, got := r.do(r.h1, r.request("POST", "/v1/clusters/prod/access-reviews", strings.NewReader(body))); !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
	res, got := r.do(r.h1, r.request("POST", "/v1/clusters/gone/access-reviews", strings.NewReader(`{"path":"/x"}`)))
	wantFailure(t, res, got, answer.NeverConnected)
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	res, body := r.do(r.h1, r.request("GET", "/v1/whoami", nil))
	if c := decode[api.Caller](t, body); res.StatusCode != 200 || c.Name != "admin" || c.Method != "token" || c.Expires != nil {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	req := r.request("GET", "/v1/whoami", nil)
	req.Header.Del("Authorization")
	res, body = r.do(r.h1, req)
	wantFailure(t, res, body, answer.Unauthenticated)
}

// An access review says what the request itself would be answered where its grant demands
// recordings: a port-forward, which cannot be recorded, is refused.
func TestAccessReviewOfSessions(t *testing.T) {
	t.Parallel()
	jane := subjects.Identity{User: "jane"}
	r := newRig(t, rigOptions{config: func(c *Config) { c.Authorizer = &asUser{user: jane, record: true} }})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		reply(s, 201, `{"kind":"SelfSubjectAccessReview","status":{"allowed":true}}`)
	})
	for body, allowed := range map[string]bool{
		`{"verb":"create","resource":"pods/exec","namespace":"a"}`:                                true,
		`{"verb":"get","resource":"pods/log","namespace":"a","name":"b"}`:                         true,
		`{"verb":"create","resource":"pods/portforward","namespace":"a"}`:                         false,
		`{"method":"GET","path":"/api/v1/namespaces/a/pods/b/portforward?ports=8080"}`:            false,
		`{"verb":"get","resource":"pods","subresource":"portforward","namespace":"a","name":"b"}`: false,
	} {
		res, got := r.do(r.h1, r.request("POST", "/v1/clusters/prod/access-reviews", strings.NewReader(body)))
		result := decode[api.AccessReviewResult](t, got)
		if res.StatusCode != 200 || result.Allowed != allowed || !allowed && !strings.Contains(result.Reason, "demands that sessions are recorded") {
			t.Errorf("%s: %d %s, want allowed: %v", body, res.StatusCode, got, allowed)
		}
	}
}
