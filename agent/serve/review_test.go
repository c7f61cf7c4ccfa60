package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	authorization "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// An access review asks the API server about the request, as the same user, and the
// request itself is not made.
func TestReviewAsksInstead(t *testing.T) {
	var asked authorization.SelfSubjectAccessReview
	var header http.Header
	s := agenttest.Kube(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != reviewPath || r.URL.RawQuery != "" {
			t.Errorf("executed %s %s", r.Method, r.URL)
		}
		b, err := io.ReadAll(r.Body)
		if err == nil {
			asked = authorization.SelfSubjectAccessReview{}
			err = json.Unmarshal(b, &asked)
		}
		if err != nil {
			t.Errorf("body %q: %v", b, err)
		}
		header = r.Header
		w.WriteHeader(http.StatusCreated)
	})
	p := newPair(t, agenttest.ConfigFor(s))
	e, err := identities[1].Extension()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, target string
		resource       *authorization.ResourceAttributes
		path           *authorization.NonResourceAttributes
	}{
		{"DELETE", "/api/v1/namespaces/shop/pods/web-0", &authorization.ResourceAttributes{Namespace: "shop", Verb: "delete", Version: "v1", Resource: "pods", Name: "web-0"}, nil},
		{"GET", "/apis/apps/v1/deployments?watch=1", &authorization.ResourceAttributes{Verb: "watch", Group: "apps", Version: "v1", Resource: "deployments"}, nil},
		{"POST", "/api/v1/namespaces/shop/pods/web-0/exec?command=x", &authorization.ResourceAttributes{Namespace: "shop", Verb: "create", Version: "v1", Resource: "pods", Subresource: "exec", Name: "web-0"}, nil},
		{"GET", "/metrics", nil, &authorization.NonResourceAttributes{Path: "/metrics", Verb: "get"}},
	} {
		head := &subjects.RequestHead{Method: c.method, Target: c.target, Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}, "X-Odd": {"1"}, "Impersonate-User": {"root"},
		}, Extensions: []subjects.Extension{e, {ID: subjects.ExtensionReview}}}
		if h, _ := p.do(t, head, nil); h.Status != http.StatusCreated {
			t.Fatalf("%s: status %d", c.target, h.Status)
		}
		got, _ := json.Marshal(asked.Spec)
		want, _ := json.Marshal(authorization.SelfSubjectAccessReviewSpec{ResourceAttributes: c.resource, NonResourceAttributes: c.path})
		if string(got) != string(want) {
			t.Errorf("%s %s: asked %s, want %s", c.method, c.target, got, want)
		}
		if header.Get("Impersonate-User") != identities[1].User || header.Get("X-Odd") != "" || header.Get("Upgrade") != "" {
			t.Errorf("header %v", header)
		}
	}
}
