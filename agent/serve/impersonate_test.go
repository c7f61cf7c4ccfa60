package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"

	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/fault"
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
		e, err := id.Extension()
		if err != nil {
			t.Fatal(err)
		}
		got := http.Header{}
		var known users
		u, err := known.of([]subjects.Extension{e})
		if err == nil {
			err = u.claim(got)
		}
		if err != nil || !u.of().Equal(id) {
			t.Fatal(u, err)
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

// Each request is executed as the user of its own extension, however many there are, what
// is kept has a bound, and a user that cannot be sent in a header is refused each time.
func TestUsersAreKeptApart(t *testing.T) {
	var known users
	extension := func(id *subjects.Identity) []subjects.Extension {
		t.Helper()
		e, err := id.Extension()
		if err != nil {
			t.Fatal(err)
		}
		return []subjects.Extension{e}
	}
	check := func(id *subjects.Identity) {
		t.Helper()
		u, err := known.of(extension(id))
		if err != nil || !u.of().Equal(id) {
			t.Fatalf("%+v became %+v, %v", id, u.of(), err)
		}
		h := http.Header{}
		if err := u.claim(h); err != nil || h.Get("Impersonate-User") != id.User || len(h["Impersonate-Group"]) != len(id.Groups) {
			t.Fatalf("%+v became %v, %v", id, h, err)
		}
		if len(known.kept) > maxUsers || known.bytes > maxUserBytes {
			t.Fatalf("%d users of %d bytes are kept", len(known.kept), known.bytes)
		}
	}
	for i := range 3 * maxUsers {
		check(&subjects.Identity{User: fmt.Sprint("u", i)})
		check(&subjects.Identity{User: "u", Groups: []string{"g", fmt.Sprint(i)}})
		check(&subjects.Identity{User: "u"})
	}
	for i := range maxUserBytes >> 12 * 2 {
		check(&subjects.Identity{User: fmt.Sprint("u", i), Groups: slices.Repeat([]string{"0123456789abcde"}, 256)})
	}
	for range 3 {
		u, err := known.of(extension(&subjects.Identity{User: "jane", Groups: []string{" g"}}))
		if err != nil || subjects.CodeBadRequest != fault.In(u.claim(http.Header{})).Code {
			t.Errorf("a group that begins with a space: %v", err)
		}
		if u, err := known.of([]subjects.Extension{{ID: subjects.ExtensionIdentity, Value: "x"}}); u != nil || fault.In(err).Code != subjects.CodeProtocol {
			t.Errorf("not an identity: %v, %v", u, err)
		}
	}
	one := extension(identities[1])
	check(identities[1])
	if n := testing.AllocsPerRun(100, func() { _, _ = known.of(one) }); n != 0 {
		t.Errorf("%v allocations for a user that is known", n)
	}
	if u, err := known.of(nil); u != nil || err != nil || u.of() != nil {
		t.Errorf("without an extension: %v, %v", u, err)
	}
}

// Requests as the same and as other users at the same time share what is kept.
func TestUsersInParallel(t *testing.T) {
	var known users
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				id := &subjects.Identity{User: fmt.Sprint("u", (i+g)%300)}
				e, _ := id.Extension()
				h := http.Header{}
				u, err := known.of([]subjects.Extension{e})
				if err == nil {
					err = u.claim(h)
				}
				if err != nil || h.Get("Impersonate-User") != id.User {
					t.Errorf("%s became %v, %v", id.User, h, err)
				}
			}
		})
	}
	wg.Wait()
}
