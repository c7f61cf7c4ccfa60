package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

var prod = subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}

// alice has an attribute that she would like to be taken for the bridge's.
var alice = &access.Caller{Name: "alice", UID: "42", Groups: []string{"ops"}, Method: access.MethodOIDC, Issuer: "gitlab",
	Extra: map[string][]string{"scopes": {"a"}, "fairlead.io/cluster": {"lab"}, "fairlead.io/tenant": {"x", "acme"}}}

// rules are what a service allows: "VERB RESOURCE NAMESPACE/NAME" or "VERB PATH".
type rules map[string]bool

func (k rules) answer(w http.ResponseWriter, a *asked) {
	what := wanted(a)
	reply(w, a, authorizationv1.SubjectAccessReviewStatus{Allowed: k[what], Reason: "no rule for " + what})
}

func wanted(a *asked) string {
	spec := a.body["spec"].(map[string]any)
	if n, ok := spec["nonResourceAttributes"].(map[string]any); ok {
		return fmt.Sprint(n["verb"], " ", n["path"])
	}
	r := spec["resourceAttributes"].(map[string]any)
	resource := fmt.Sprint(r["resource"])
	if sub, ok := r["subresource"]; ok {
		resource += "/" + fmt.Sprint(sub)
	}
	return strings.ReplaceAll(fmt.Sprint(r["verb"], " ", resource, " ", r["namespace"], "/", r["name"]), "<nil>", "")
}

// callersOwn executes requests as the caller itself.
var callersOwn = grant.As{User: "caller.name", Groups: "caller.groups"}

func openAccessReview(t *testing.T, f *fake, as grant.As) *AccessReview {
	t.Helper()
	a, err := NewAccessReview(AccessReviewConfig{Kubeconfig: f.kubeconfig, As: as}, nil, f.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func get(target string) *access.Request {
	return &access.Request{Cluster: prod, Method: http.MethodGet, Target: target}
}

func TestAccessReview(t *testing.T) {
	f := newFake(t, rules{"get clusters acme/prod": true, "get pods shop/web-1": true, "get pods/log shop/web-1": true, "get /version": true, "get pods/exec shop/web-2": true}.answer)
	a := openAccessReview(t, f, callersOwn)
	for target, allowed := range map[string]bool{
		"/api/v1/namespaces/shop/pods/web-1": true, "/api/v1/namespaces/shop/pods/web-1/log?follow=1": true, "/version": true,
		"/api/v1/namespaces/shop/pods": false, "/api/v1/namespaces/other/pods/web-1": false, "/healthz": false,
		"/api/v1/namespaces/shop/pods/web-1/exec": false, "/api/v1/namespaces/shop/../shop/pods/web-1": false, "//version": false,
		"/api/v1/namespaces/shop%2fpods%2fweb-1": false, "/api/v1/namespaces/shop/pods/web-2/exec?command=sh": false,
	} {
		d, err := a.Authorize(t.Context(), alice, get(target))
		if (err == nil) != allowed {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if err != nil {
			if fail, ok := errors.AsType[*answer.Failure](err); !ok || fail.Kind != answer.Forbidden {
				t.Errorf("%s: %v", target, err)
			}
			continue
		}
		if want := (&subjects.Identity{User: "alice", Groups: []string{"ops"}}); !d.As.Equal(want) || d.Grant != "subject-access-review" || d.Valid.Err() != nil {
			t.Errorf("%s: %+v", target, d)
		}
	}
	n := f.calls()
	if _, err := a.Authorize(t.Context(), alice, get("/healthz")); err == nil || f.calls() != n {
		t.Errorf("asked again: %v", err)
	}
	_, err := a.Authorize(t.Context(), alice, get("/healthz"))
	if want := `the access review service does not allow caller "alice" this request to cluster "prod.acme": no rule for get /healthz; nothing was executed`; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestAccessReviewQuestion: the service gets all that is known of the caller, and what
// the bridge says of the cluster instead of what the caller says.
func TestAccessReviewQuestion(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a *asked) {
		reply(w, a, authorizationv1.SubjectAccessReviewStatus{Allowed: true})
	})
	a := openAccessReview(t, f, grant.As{Agent: true})
	d, err := a.Authorize(t.Context(), alice, &access.Request{Cluster: prod, Method: "POST", Target: "/apis/apps/v1/namespaces/shop/deployments/web/scale"})
	if err != nil || d.As != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	want := map[string]any{
		"user": "alice", "uid": "42", "groups": []any{"ops", "system:authenticated"},
		"extra": map[string]any{
			"scopes": []any{"a"}, "fairlead.io/cluster": []any{"prod"}, "fairlead.io/tenant": []any{"acme"},
			"fairlead.io/authentication": []any{"oidc"}, "fairlead.io/issuer": []any{"gitlab"},
		},
		"resourceAttributes": map[string]any{
			"verb": "create", "group": "apps", "version": "v1", "resource": "deployments", "subresource": "scale", "namespace": "shop", "name": "web",
		},
	}
	if got := f.last().body["spec"]; !reflect.DeepEqual(got, want) {
		t.Errorf("asked %v\nwant  %v", got, want)
	}
	if f.calls() != 2 || wanted(f.asked[0]) != "get clusters acme/prod" {
		t.Errorf("asked %d times", f.calls())
	}
}

// TestAccessReviewVisibility: get on a cluster, or list on those of its tenant; a
// cluster that may only be seen lets no request in.
func TestAccessReviewVisibility(t *testing.T) {
	f := newFake(t, rules{"list clusters acme/": true, "get clusters lab/test": true, "get /version": true}.answer)
	a := openAccessReview(t, f, callersOwn)
	test := subjects.ClusterRef{Tenant: "lab", Cluster: "test"}
	if visible, err := a.View(t.Context(), alice, prod); visible || err != nil {
		t.Errorf("prod before the list: %v, %v", visible, err)
	}
	if !a.AuthorizeTenant(alice, "acme") || a.AuthorizeTenant(alice, "lab") {
		t.Error("tenants")
	}
	n := f.calls()
	for i := range 1000 {
		if !a.Visible(alice, subjects.ClusterRef{Tenant: "acme", Cluster: fmt.Sprint("c", i)}) {
			t.Fatal("a cluster of the list is not visible")
		}
	}
	if f.calls() != n {
		t.Errorf("asked %d times for the clusters of a list", f.calls()-n)
	}
	if !a.Visible(alice, test) || a.Visible(alice, subjects.ClusterRef{Tenant: "lab", Cluster: "other"}) {
		t.Error("clusters of lab")
	}
	_, err := a.Authorize(t.Context(), alice, get("/version"))
	if want := access.NoGrant(alice, prod); err == nil || err.Error() != want.Error() {
		t.Errorf("a request to a cluster of the list: %v, want %v", err, want)
	}
	if _, err := a.Authorize(t.Context(), alice, &access.Request{Cluster: test, Method: "GET", Target: "/version"}); err != nil {
		t.Errorf("to one that is allowed: %v", err)
	}
}

func TestAccessReviewRefusals(t *testing.T) {
	all := func(w http.ResponseWriter, a *asked) {
		reply(w, a, authorizationv1.SubjectAccessReviewStatus{Allowed: true})
	}
	f := newFake(t, all)
	a := openAccessReview(t, f, callersOwn)
	as := get("/version")
	as.As = &subjects.Identity{User: "root"}
	if _, err := a.Authorize(t.Context(), alice, as); err == nil || !strings.Contains(err.Error(), "impersonation") || f.calls() != 0 {
		t.Errorf("as root: %v", err)
	}
	master := &access.Caller{Name: "alice", Groups: []string{"system:masters"}}
	if _, err := a.Authorize(t.Context(), master, get("/version")); err == nil || !strings.Contains(err.Error(), `"system:masters" is a name of Kubernetes' own`) {
		t.Errorf("a group of Kubernetes' own: %v", err)
	}
	for text, status := range map[string]authorizationv1.SubjectAccessReviewStatus{
		"both allows and denies": {Allowed: true, Denied: true},
		"does not allow":         {Reason: strings.Repeat("x", 10_000), EvaluationError: "y"},
	} {
		f.set(func(w http.ResponseWriter, a *asked) {
			if strings.HasPrefix(wanted(a), "get clusters") {
				status := status
				status.Allowed = true
				status.Denied = false
				reply(w, a, status)
				return
			}
			reply(w, a, status)
		})
		_, err := a.Authorize(t.Context(), alice, get("/"+strings.ReplaceAll(text, " ", "-")))
		if err == nil || !strings.Contains(err.Error(), text) || len(err.Error()) > 1300 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestAccessReviewDown: a 503, for requests and for what is visible.
func TestAccessReviewDown(t *testing.T) {
	f := newFake(t, status(500))
	a := openAccessReview(t, f, callersOwn)
	_, err := a.Authorize(t.Context(), alice, get("/version"))
	if !unreachable(err) || !strings.Contains(err.Error(), "the access review service answers with status 500") {
		t.Errorf("a request: %v", err)
	}
	if _, err := a.View(t.Context(), alice, prod); !unreachable(err) {
		t.Errorf("a cluster: %v", err)
	}
	if _, err := a.ViewTenant(t.Context(), alice, "acme"); !unreachable(err) {
		t.Errorf("a tenant: %v", err)
	}
	if a.Visible(alice, prod) || a.AuthorizeTenant(alice, "acme") {
		t.Error("open while the service is down")
	}
	door := &access.Door{Rules: access.Fixed(access.Rules{Authenticator: always{}, Authorizer: a})}
	rec := answer.Record{}
	if _, fail := door.Visit(httptest.NewRequest("GET", "/", nil), &rec, "prod.acme"); fail == nil || fail.Kind != answer.ReviewUnreachable {
		t.Errorf("at the door: %v", fail)
	}
}

// always is an authenticator for alice.
type always struct{}

func (always) Authenticate(*http.Request) (*access.Caller, error) { return alice, nil }

// TestRunningRequestIsReviewedAgain: it goes on while the service allows it, and ends
// when it does not, or gives no answer.
func TestRunningRequestIsReviewedAgain(t *testing.T) {
	allowed := rules{"get clusters acme/prod": true, "get /version": true}
	for name, tt := range map[string]struct {
		then func(http.ResponseWriter, *asked)
		want *answer.Kind
	}{
		"request": {rules{"get clusters acme/prod": true}.answer, answer.Forbidden},
		"cluster": {rules{"get /version": true}.answer, answer.Forbidden},
		"down":    {status(403), answer.ReviewUnreachable},
	} {
		f := newFake(t, allowed.answer)
		a := openAccessReview(t, f, callersOwn)
		a.kept = Cache{Allowed: 50 * time.Millisecond, Denied: 50 * time.Millisecond}
		door := &access.Door{Rules: access.Fixed(access.Rules{Authenticator: always{}, Authorizer: a})}
		rec := answer.Record{}
		admission, fail := door.Enter(httptest.NewRequest("GET", "/", nil), &rec, "prod.acme", "/version")
		if fail != nil {
			t.Fatal(fail)
		}
		held, release := admission.Hold(t.Context())
		eventually.True(t, "five more reviews", func() bool { return f.calls() >= 12 })
		if held.Err() != nil {
			t.Errorf("%s: ended: %v", name, context.Cause(held))
		}
		f.set(tt.then)
		<-held.Done()
		if got, ok := errors.AsType[*answer.Failure](context.Cause(held)); !ok || got.Kind != tt.want {
			t.Errorf("%s: ended by %v, want %s", name, context.Cause(held), tt.want.Code)
		}
		release()
	}
}

// TestAccessReviewCloses: running requests are decided again, by others.
func TestAccessReviewCloses(t *testing.T) {
	f := newFake(t, rules{"get clusters acme/prod": true, "get /version": true}.answer)
	a := openAccessReview(t, f, callersOwn)
	d, err := a.Authorize(t.Context(), alice, get("/version"))
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	<-d.Valid.Done()
	if _, err := a.Authorize(t.Context(), alice, get("/version")); !unreachable(err) {
		t.Errorf("after Close: %v", err)
	}
}
