package grant

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestRefusals: a refusal says which grant came nearest, and what would allow the
// request.
func TestRefusals(t *testing.T) {
	g := open(t, shop)
	job, branch := gitlab(job), gitlab(map[string]any{"project_path": "acme/shop", "ref_protected": "false"})
	bare := gitlab(map[string]any{"project_path": "acme/shop"})
	for _, tt := range []struct {
		c    *access.Caller
		req  *access.Request
		want string
	}{
		{job, asked("POST", "prod.acme", "/apis/apps/v1/namespaces/shop/deployments"),
			`no grant allows caller "gitlab:job" to create deployments of API group "apps" in namespace "shop" in cluster "prod.acme": grant "deploy" came nearest, ` +
				`and would allow it with the rule {verbs: [create], apiGroups: ["apps"], resources: ["deployments"], namespaces: ["shop"]}`},
		{job, get("prod.acme", "/api/v1/namespaces/shop/pods/%2A/attach"), `to create pods/attach in namespace "shop" in cluster "prod.acme": grant "deploy" came nearest, and would`},
		{job, asked("POST", "prod.acme", "/api/v1/namespaces/shop/pod"), `to create pod in namespace "shop" in cluster "prod.acme": grant "deploy" came nearest, but no resource has the name "pod": did you mean "pods"?`},
		{job, get("prod.acme", "/api/v1/namespaces/shop/pods/x/attach"), `to create pods/attach named "x" in namespace "shop" in cluster "prod.acme": grant "deploy" came nearest, and would allow it with the rule {verbs: [create], apiGroups: [""], resources: ["pods/attach"], namespaces: ["shop"]}`},
		{job, get("prod.acme", "/metrics"), `to get "/metrics" in cluster "prod.acme": grant "deploy" came nearest, and would allow it with the rule {verbs: [get], paths: ["/metrics"]}`},
		{job, asked("DELETE", "any.lab", "/api/v1/namespaces/ci-1/pods/x"), `grant "tests" came nearest, but its condition request.namespace.startsWith("ci-") && request.verb != "delete" is false; nothing was executed`},
		{job, get("prod.acme", "/api/v1/namespaces/shop/../x/pods"), "its path can be read in more than one way, so that only a grant for every request would"},
		{branch, get("prod.acme", "/version"), `caller "gitlab:job" has no grant for cluster "prod.acme"; for its clusters, grant "deploy" came nearest, but its condition claims.ref_protected == "true" is false; nothing was executed`},
		{bare, get("prod.acme", "/version"), `its condition claims.ref_protected == "true" has no value: no such key: ref_protected`},
	} {
		d, err := g.Authorize(t.Context(), tt.c, tt.req)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, %v, want %q", tt.req.Method, tt.req.Target, d, err, tt.want)
		}
	}
}

// A caller who may not see a cluster hears the same of every cluster, and no
// condition of a grant that is for other callers.
func TestRefusalsKeepSecrets(t *testing.T) {
	g := open(t, shop)
	for name, c := range map[string]*access.Caller{
		"almost":  gitlab(map[string]any{"project_path": "acme/shop", "ref_protected": "false"}),
		"other":   gitlab(map[string]any{"project_path": "acme/other", "ref_protected": "true"}),
		"nothing": {Name: "tok", Method: access.MethodToken},
	} {
		var first string
		for _, cluster := range []string{"prod.acme", "nowhere.acme", "prod.nowhere", "x"} {
			_, err := g.Authorize(t.Context(), c, get(cluster, "/version"))
			if err == nil {
				t.Fatalf("%s: let in to %s", name, cluster)
			}
			ref, _ := subjects.ParseClusterRef(cluster)
			if unseen := g.Unseen(c, ref); unseen.Error() != err.Error() {
				t.Errorf("%s: Unseen says %v, Authorize %v", name, unseen, err)
			}
			text := strings.ReplaceAll(err.Error(), fmt.Sprintf("%q", ref), "")
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("%s hears of cluster %s: %s, and of another one: %s", name, cluster, text, first)
			}
			if name != "almost" && strings.Contains(text, "grant \"") {
				t.Errorf("%s hears of a grant for others: %s", name, text)
			}
		}
	}
}

// The texts of a request are cut in a refusal, so that it is bounded.
func TestRefusalsAreBounded(t *testing.T) {
	g := open(t, `
grants:
- {name: a, clusters: ["*"], when: ['caller.issuer == "gitlab"', 'request.name == "`+strings.Repeat("x", 1900)+`"'], as: {agent: true}}
- {name: b, clusters: ["*"], when: ['caller.issuer == "gitlab"'], requests: [{verbs: [get], resources: [pods]}], as: {agent: true}}
`)
	c := gitlab(nil)
	c.Name = strings.Repeat("n", 10_000)
	long := strings.Repeat("y", 10_000)
	for _, target := range []string{"/api/v1/namespaces/" + long + "/" + long + "/" + long + "/" + long, "/" + long, "/a\x7f"} {
		if _, err := g.Authorize(t.Context(), c, get("prod", target)); err == nil || len(err.Error()) > 8000 {
			t.Errorf("%.30s: a refusal of %d bytes", target, len(err.Error()))
		}
	}
}

// TestMayImpersonate: a caller's own Impersonate-* headers narrow what the deciding
// grant gives, and nothing else.
func TestMayImpersonate(t *testing.T) {
	g := open(t, `
grants:
- name: a
  clusters: ["*"]
  when: ['caller.issuer == "gitlab"']
  as: {user: '"platform"'}
  mayImpersonate:
    users: [ann, "dev-*", "system:kube-proxy"]
    groups: [ops, "team:*", "system:authenticated"]
    serviceAccounts: [shop/*, flux/reconciler]
    uids: ["7"]
    extra: {scopes: [view]}
- {name: b, clusters: ["*"], callers: anyone, as: {agent: true}, mayImpersonate: {users: ["*"], groups: ["*"]}}
`)
	sa := "system:serviceaccount:"
	for _, tt := range []struct {
		as   subjects.Identity
		want string // "" if it is allowed
	}{
		{subjects.Identity{User: "ann"}, ""},
		{subjects.Identity{User: "ann", Groups: []string{"ops", "team:a", "system:authenticated"}, UID: "7", Extra: map[string][]string{"scopes": {"view"}}}, ""},
		{subjects.Identity{User: "dev-1"}, ""},
		{subjects.Identity{User: "system:kube-proxy"}, ""},
		{subjects.Identity{User: "Ann"}, `does not name user "Ann"`},
		{subjects.Identity{User: "bob"}, `caller "gitlab:job" may not act as user "bob": grant "a" decides about the request, and its mayImpersonate does not name user "bob"; nothing was executed`},
		{subjects.Identity{User: "ann", Groups: []string{"ops", "admins"}}, `does not name group "admins"`},
		{subjects.Identity{User: "ann", Groups: []string{"system:masters"}}, `does not name group "system:masters"`},
		{subjects.Identity{User: "ann", UID: "8"}, `does not name uid "8"`},
		{subjects.Identity{User: "ann", Extra: map[string][]string{"scopes": {"view", "edit"}}}, `does not name value "edit" of extra "scopes"`},
		{subjects.Identity{User: "ann", Extra: map[string][]string{"other": {"view"}}}, `of extra "other"`},
		{subjects.Identity{User: sa + "shop:deployer"}, ""},
		{subjects.Identity{User: sa + "shop:deployer", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:shop"}}, ""},
		{subjects.Identity{User: sa + "shop:deployer", Groups: []string{"system:serviceaccounts:kube-system"}}, "does not name group"},
		{subjects.Identity{User: sa + "flux:reconciler"}, ""},
		{subjects.Identity{User: sa + "flux:other"}, "does not name user"},
		{subjects.Identity{User: sa + "kube-system:shop"}, "does not name user"},
		{subjects.Identity{User: sa + "shop:"}, "does not name user"},
		{subjects.Identity{User: sa + "shop:*"}, ""}, // a name like others; no such account can be
		{subjects.Identity{User: sa + "shop:a:b"}, "does not name user"},
		{subjects.Identity{User: sa + "shop/x:a"}, "does not name user"},
	} {
		req := get("prod", "/version")
		req.As = &tt.as
		d, err := g.Authorize(t.Context(), gitlab(nil), req)
		if tt.want == "" {
			if err != nil || !d.As.Equal(&tt.as) || d.Grant != "a" || d.Valid == nil {
				t.Errorf("%+v: %+v, %v, want that identity", tt.as, d, err)
			}
			continue
		}
		if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.Impersonation || !strings.Contains(f.Detail, tt.want) {
			t.Errorf("%+v: %v, want %q", tt.as, err, tt.want)
		}
	}
	// Another grant decides: names of Kubernetes' own are not among "*".
	for user, allowed := range map[string]bool{"anyone": true, "system:admin": false, "System:Admin": false} {
		req := get("prod", "/version")
		req.As = &subjects.Identity{User: user}
		if _, err := g.Authorize(t.Context(), &access.Caller{Name: "x"}, req); (err == nil) != allowed {
			t.Errorf("as %q: %v", user, err)
		}
	}
	// Without mayImpersonate, and for the clusters of a token, there is none.
	g = open(t, shop)
	req := get("prod.acme", "/version")
	req.As = &subjects.Identity{User: "ann"}
	for _, c := range []*access.Caller{gitlab(job), {Name: "old", Clusters: []access.Pattern{pattern(t, "*")}}} {
		if _, err := g.Authorize(t.Context(), c, req); !errors.Is(err, err.(*answer.Failure)) || err.(*answer.Failure).Kind != answer.Impersonation {
			t.Errorf("%s: %v, want no impersonation", c.Name, err)
		}
	}
}

type always struct{ caller *access.Caller }

func (a always) Authenticate(*http.Request) (*access.Caller, error) { return a.caller, nil }

// The door tells a caller of a grant that is almost its own, and of no cluster.
func TestDoorSaysWhatIsMissing(t *testing.T) {
	branch := gitlab(map[string]any{"project_path": "acme/shop", "ref_protected": "false"})
	door := access.Door{Rules: access.Fixed(access.Rules{Authenticator: always{branch}, Authorizer: open(t, shop)})}
	for _, cluster := range []string{"prod.acme", "nowhere"} {
		_, f := door.Enter(httptest.NewRequest("GET", "/", nil), &answer.Record{}, cluster, "/version")
		const want = `grant "deploy" came nearest, but its condition claims.ref_protected == "true" is false`
		if f == nil || f.Kind != answer.Forbidden || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %v, want %q", cluster, f, want)
		}
	}
}
