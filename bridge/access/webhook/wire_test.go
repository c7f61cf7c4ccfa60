package webhook

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
)

// TestAsAPIServers: with the same configuration file, a service gets from the bridge
// what it gets from an API server. The files in testdata are what the authenticator
// and the authorizer of k8s.io/apiserver v0.34.4 (plugin/pkg/.../webhook) sent to this
// test's service for the same caller and request; these packages are no dependency, as
// gRPC and OpenTelemetry come with them.
func TestAsAPIServers(t *testing.T) {
	f := newFake(t, tokens{"t-1": authenticationv1.UserInfo{Username: "alice"}}.answer)
	x := openTokenReview(t, f, func(c *TokenReviewConfig) { c.Audiences = []string{"fl"} })
	if _, err := x.Authenticate(request("t-1")); err != nil {
		t.Fatal(err)
	}
	wantSent(t, f.last(), "testdata/tokenreview.json")

	f.set(func(w http.ResponseWriter, a *asked) {
		reply(w, a, authorizationv1.SubjectAccessReviewStatus{Allowed: true})
	})
	a := openAccessReview(t, f, grant.As{Agent: true})
	if _, err := a.Authorize(t.Context(), &access.Caller{Name: "alice", UID: "42", Groups: []string{"ops"}, Method: access.MethodToken},
		&access.Request{Cluster: prod, Method: http.MethodPost, Target: "/api/v1/namespaces/shop/pods/web-1/exec?command=sh"}); err != nil {
		t.Fatal(err)
	}
	wantSent(t, f.last(), "testdata/subjectaccessreview.json")
}

func wantSent(t *testing.T, got *asked, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := &asked{method: http.MethodPost, path: "/review", contentType: "application/json", user: "bridge"}
	if err := json.Unmarshal(b, &want.body); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*asked{got, want} {
		delete(a.body, "status") // without meaning in a question
		delete(a.body, "metadata")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", file, got, want)
	}
}
