package grant

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

func grantsOf(t *testing.T, text string) *Grants {
	t.Helper()
	var c Config
	if err := strictyaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	c.Approvals = given{}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// A condition that looks at the caller and the request at once shows a cluster only to
// callers for whom it can hold.
func TestVisibleByMixedConditions(t *testing.T) {
	dev, stranger := &access.Caller{Name: "dev", Groups: []string{"devs"}}, &access.Caller{Name: "stranger"}
	other := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	for condition, want := range map[string]struct{ dev, stranger, elsewhere bool }{
		`"devs" in caller.groups && request.namespace == "shop"`:                             {true, false, true},
		`request.namespace == "shop" && "devs" in caller.groups`:                             {true, false, true},
		`request.verb in ["get", "list"] && caller.name == "dev"`:                            {true, false, true},
		`request.namespace == caller.name`:                                                   {true, true, true},
		`"devs" in caller.groups || request.isResource`:                                      {true, true, true},
		`claims.team == request.namespace && caller.name == "dev"`:                           {false, false, false},
		`cluster.tenant == "default" && request.verb == "get" && "devs" in caller.groups`:    {true, false, false},
		`cluster.labels.env == "prod" && request.path == "/version" && caller.name != "dev"`: {false, false, false},
	} {
		g := grantsOf(t, "grants:\n- name: shop\n  clusters: ['*']\n  as: {user: caller.name}\n  when:\n  - '"+condition+"'\n")
		ask := func(c *access.Caller, ref subjects.ClusterRef) bool {
			seen := g.Visible(c, ref)
			if tenant := g.AuthorizeTenant(c, ref.Tenant); seen && !tenant {
				t.Errorf("%s: %s may see %s, but not its tenant", condition, c.Name, ref)
			}
			return seen
		}
		if got := ask(dev, prodOnly); got != want.dev {
			t.Errorf("%s: visible to dev: %t", condition, got)
		}
		if got := ask(stranger, prodOnly); got != want.stranger {
			t.Errorf("%s: visible to a stranger: %t", condition, got)
		}
		if got := ask(dev, other); got != want.elsewhere {
			t.Errorf("%s: the other tenant's cluster is visible to dev: %t", condition, got)
		}
		if !want.stranger && !strings.Contains(condition, "labels") && g.AuthorizeTenant(stranger, "default") {
			t.Errorf("%s: the tenant is visible to a stranger", condition)
		}
	}
}

// What is not visible is refused as a cluster that no grant names, without a word about
// the condition; where it can hold, the request decides.
func TestRefusalByMixedConditions(t *testing.T) {
	dev, stranger := &access.Caller{Name: "dev", Groups: []string{"devs"}}, &access.Caller{Name: "stranger"}
	g := grantsOf(t, `
grants:
- name: shop
  clusters: [prod]
  when: ['"devs" in caller.groups && request.namespace == "shop"']
  requires: approval
  as: {user: caller.name}
- {name: second, clusters: [prod], when: ['"devs" in caller.groups && request.namespace == "shop"'], as: {user: caller.name}}
`)
	const in, out = "/api/v1/namespaces/shop/pods", "/api/v1/namespaces/kube-system/pods"
	if d, f := decision(t, g, dev, "GET", in); f != nil || d.Grant != "second" {
		t.Errorf("dev: %+v, %v", d, f)
	}
	if _, f := decision(t, g, dev, "GET", out); f == nil || !strings.Contains(f.Detail, "came nearest") {
		t.Errorf("dev elsewhere: %v", f)
	}
	_, f := decision(t, g, stranger, "GET", in)
	if f == nil || strings.Contains(f.Detail, "devs") || strings.Contains(f.Detail, "shop") {
		t.Errorf("a stranger: %v", f)
	}
	if _, err := g.MayAsk(t.Context(), dev, "shop", prodOnly); err != nil {
		t.Errorf("dev may not ask: %v", err)
	}
	if _, err := g.MayAsk(t.Context(), stranger, "shop", prodOnly); err == nil {
		t.Error("a stranger may ask for a grant that cannot be theirs")
	}
}
