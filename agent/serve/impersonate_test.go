package serve

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// recorded is a round tripper that keeps the header of the request.
type recorded struct{ header http.Header }

func (r *recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	r.header = req.Header
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

var identities = []*subjects.Identity{
	{User: "jane"},
	{User: "system:serviceaccount:ns:ci", UID: "u-1", Groups: []string{"b", "a", "system:authenticated"}},
	{User: "gitlab:päth/ü", Extra: map[string][]string{
		"scopes": {"y", "x"}, "example.org/päth": {"1"}, "100%": {"2"}, "a b": {"3"}, "alpha.kubernetes.io/x": {"4"},
	}},
}

// The headers are those that client-go itself sends for the same user.
func TestIdentityIsWrittenAsByClientGo(t *testing.T) {
	for _, id := range identities {
		got := http.Header{}
		if err := setIdentity(got, id); err != nil {
			t.Fatal(err)
		}
		var want recorded
		rt := transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{
			UserName: id.User, UID: id.UID, Groups: id.Groups, Extra: id.Extra,
		}, &want)
		if _, err := rt.RoundTrip(httptest.NewRequest("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want.header) {
			t.Errorf("%+v\n got %v\nwant %v", id, got, want.header)
		}
	}
}

// The identity of the extension replaces the one that the request's headers claim.
func TestIdentityFromExtensionAlone(t *testing.T) {
	var got http.Header
	s := agenttest.Kube(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	p := newPair(t, agenttest.ConfigFor(s))
	head := agenttest.Get("/api")
	for _, name := range []string{"Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes", "Impersonate_user"} {
		head.Header.Set(name, "root")
	}
	head.Header.Set("Connection", "Impersonate-User")
	e, err := identities[1].Extension()
	if err != nil {
		t.Fatal(err)
	}
	head.Extensions = []subjects.Extension{e}
	if h, _ := p.do(t, head, nil); h.Status != 200 {
		t.Fatalf("status %d", h.Status)
	}
	claims := http.Header{}
	for k, v := range got {
		if subjects.Impersonates(k) {
			claims[k] = v
		}
	}
	want := http.Header{"Impersonate-User": {"system:serviceaccount:ns:ci"}, "Impersonate-Uid": {"u-1"}, "Impersonate-Group": {"b", "a", "system:authenticated"}}
	if !reflect.DeepEqual(claims, want) {
		t.Errorf("the API server got %v, want %v", claims, want)
	}
}

// An identity that cannot be sent exactly is refused, and nothing is executed.
func TestIdentityThatCannotBeSent(t *testing.T) {
	s := agenttest.Kube(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("executed as %q", r.Header.Get("Impersonate-User"))
	})
	p := newPair(t, agenttest.ConfigFor(s))
	for name, id := range map[string]*subjects.Identity{
		"line break": {User: "a\r\nImpersonate-Group: system:masters"}, "space at the end": {User: "root "},
		"empty group": {User: "u", Groups: []string{""}}, "control character": {User: "u", Extra: map[string][]string{"k": {"\x00"}}},
	} {
		e, err := id.Extension()
		if err != nil {
			t.Fatal(err)
		}
		head := agenttest.Get("/x")
		head.Extensions = []subjects.Extension{e}
		if _, err := agenttest.AnswerHead(p.open(t, head, nil, true)); subjects.CodeOf(err) != subjects.CodeBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	head := agenttest.Get("/x")
	head.Extensions = []subjects.Extension{{ID: subjects.ExtensionIdentity, Value: "\x00"}}
	if _, err := agenttest.AnswerHead(p.open(t, head, nil, true)); subjects.CodeOf(err) != subjects.CodeProtocol {
		t.Errorf("malformed: %v", err)
	}
}
