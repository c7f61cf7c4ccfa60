package access

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// vouching vouches for callers of one method, or says why it no longer does.
type vouching struct {
	other
	method Method
	now    *Caller // nil: as it was
	err    error
}

func (v vouching) Vouch(c *Caller) (*Caller, bool, error) {
	if c.Method != v.method {
		return nil, false, nil
	}
	if v.now != nil {
		c = v.now
	}
	return c, true, v.err
}

// allowing lets callers act as a user in clusters of a tenant.
type allowing struct {
	TokenClusters
	tenant string
	as     *subjects.Identity
}

func (a allowing) Visible(_ *Caller, ref subjects.ClusterRef) bool { return ref.Tenant == a.tenant }

func (a allowing) Authorize(context.Context, *Caller, *Request) (*Decision, error) {
	return &Decision{Grant: "g", As: a.as}, nil
}

// TestAbsentCaller: who is not there to show a credential is decided about by today's
// rules: whether they know callers of its kind, what they let it do, and as whom.
func TestAbsentCaller(t *testing.T) {
	ref := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	jane, joe := &subjects.Identity{User: "jane"}, &subjects.Identity{User: "joe"}
	was := &Caller{Name: "jane", Method: MethodToken, Issuer: "idp"}
	vouches := Chain{other{}, vouching{method: MethodOIDC}, vouching{method: MethodToken, now: &Caller{Name: "jane", Method: MethodToken, Groups: []string{"new"}}}}
	for name, tt := range map[string]struct {
		rules Rules
		as    *subjects.Identity
		kind  *answer.Kind // nil: it may
		says  string
	}{
		"it may":                    {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "acme", as: jane}}, jane, nil, ""},
		"as the agent":              {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "acme"}}, nil, nil, ""},
		"as another user":           {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "acme", as: joe}}, jane, answer.Forbidden, "another user"},
		"no longer as the agent":    {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "acme", as: joe}}, nil, answer.Forbidden, "another user"},
		"as the agent now":          {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "acme"}}, jane, answer.Forbidden, "another user"},
		"no longer of the cluster":  {Rules{Authenticator: vouches, Authorizer: allowing{tenant: "other", as: jane}}, jane, answer.Forbidden, ""},
		"no callers of its kind":    {Rules{Authenticator: Chain{vouching{method: MethodOIDC}}, Authorizer: allowing{tenant: "acme", as: jane}}, jane, answer.Unauthenticated, `no callers by token of "idp"`},
		"nobody vouches for anyone": {Rules{Authenticator: other{}, Authorizer: allowing{tenant: "acme", as: jane}}, jane, answer.Unauthenticated, "no callers"},
		"it was removed": {Rules{Authenticator: Chain{vouching{method: MethodToken, err: errors.New("removed")}}, Authorizer: allowing{tenant: "acme", as: jane}},
			jane, answer.Unauthenticated, "removed"},
	} {
		door, rec := &Door{Rules: Fixed(tt.rules)}, &answer.Record{}
		visit, f := door.Return(t.Context(), rec, Absent{Caller: was, As: tt.as}, ref)
		if f == nil {
			var a *Admission
			if a, f = door.Admit(t.Context(), rec, visit, http.MethodPatch, "/api/v1/namespaces/a/configmaps/b", http.Header{}); f == nil {
				if visit.Name() != "prod.acme" || len(a.Caller.Groups) != 1 || !a.Identity().Equal(tt.as) || rec.Caller != "jane" {
					t.Errorf("%s: %+v, %+v", name, visit, a.Caller)
				}
				a.Done()
			}
		}
		if (f == nil) != (tt.kind == nil) || f != nil && (f.Kind != tt.kind || !strings.Contains(f.Detail, tt.says)) {
			t.Errorf("%s: %v, want %v with %q", name, f, tt.kind, tt.says)
		}
	}
}

// TestAbsentCallerIsImpersonated: an absent caller's headers cannot name another user.
func TestAbsentCallerIsImpersonated(t *testing.T) {
	ref := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	door := &Door{Rules: Fixed(Rules{Authenticator: Chain{vouching{method: MethodToken}}, Authorizer: TokenClusters{}})}
	all, err := ParsePattern("*")
	if err != nil {
		t.Fatal(err)
	}
	visit, f := door.Return(t.Context(), &answer.Record{}, Absent{Caller: &Caller{Name: "ci", Method: MethodToken, Clusters: []Pattern{all}}}, ref)
	if f != nil {
		t.Fatal(f)
	}
	if a, f := door.Admit(t.Context(), &answer.Record{}, visit, http.MethodGet, "/version", http.Header{"Impersonate-User": {"root"}}); f == nil {
		t.Errorf("admitted as %v", a.Identity())
	}
}

// TestAbsentCallerAndChangedRules: rules that change between the visit and the request
// decide about both.
func TestAbsentCallerAndChangedRules(t *testing.T) {
	ref := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	first := &Rules{Authenticator: Chain{vouching{method: MethodToken}}, Authorizer: allowing{tenant: "acme"}}
	for name, changed := range map[string]*Rules{
		"removed":   {Authenticator: Chain{vouching{method: MethodToken, err: errors.New("removed")}}, Authorizer: allowing{tenant: "acme"}},
		"no grant":  {Authenticator: first.Authenticator, Authorizer: allowing{tenant: "other"}},
		"as a user": {Authenticator: first.Authenticator, Authorizer: allowing{tenant: "acme", as: &subjects.Identity{User: "x"}}},
	} {
		now := first
		door := &Door{Rules: func() *Rules { return now }}
		visit, f := door.Return(t.Context(), &answer.Record{}, Absent{Caller: &Caller{Name: "ci", Method: MethodToken}}, ref)
		if f != nil {
			t.Fatal(f)
		}
		a, f := door.Admit(t.Context(), &answer.Record{}, visit, http.MethodPatch, "/x", nil)
		if f != nil {
			t.Fatalf("%s: before the change: %v", name, f)
		}
		now = changed
		if _, f := door.Admit(t.Context(), &answer.Record{}, visit, http.MethodPatch, "/x", nil); f == nil {
			t.Errorf("%s: admitted", name)
		}
		if current, f := a.Current(t.Context()); name == "removed" && f == nil {
			t.Errorf("%s: still a caller: %+v", name, current.Caller)
		}
		a.Done()
	}
}
