package grant

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// The grant that is named is that whose rules are nearest to the request, wherever it
// stands, and the refusal says what keeps its rule from matching.
func TestNearestGrant(t *testing.T) {
	c := parse(t, `
grants:
- {name: prod-admin, clusters: ["*"], callers: anyone, requires: approval, requests: [{verbs: [get, list], resources: [secrets]}], as: {agent: true}}
- {name: taped, clusters: ["*"], callers: anyone, record: true, requests: [{verbs: [create], resources: [pods/exec], namespaces: [shop]}], as: {agent: true}}
- name: developers
  clusters: ["*"]
  callers: anyone
  requests:
  - {verbs: [get, list, watch], resources: [pods, pods/log], namespaces: [default, shop]}
  - {verbs: [get], resources: [configmaps], names: [web]}
  - {verbs: [get], paths: [/version]}
  as: {agent: true}
- {name: others, clusters: ["*"], callers: anyone, requests: [{verbs: [get, list, watch], resources: [pods], namespaces: [prod]}], as: {agent: true}}
- {name: deployers, clusters: ["*"], callers: anyone, requests: [{verbs: ["*"], apiGroups: [apps], resources: ["*"], namespaces: [shop]}], as: {agent: true}}
`)
	c.Approvals = given{}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	for _, tt := range []struct {
		method, target, grant, limits string
	}{
		{"GET", "/api/v1/pods", "developers", `resources: ["pods"]} (its rule for pods is for namespaces default, shop only); nothing was executed`},
		{"DELETE", "/api/v1/namespaces/kube-system/pods/x", "developers",
			`(its rule for pods is for verbs get, list, watch and namespaces default, shop only)`},
		{"DELETE", "/api/v1/namespaces/prod/pods/x", "others", `(its rule for pods is for verbs get, list, watch only)`},
		{"GET", "/api/v1/namespaces/x/configmaps/other", "developers", `(its rule for configmaps is for names web only)`},
		{"DELETE", "/api/v1/namespaces/shop/secrets/x", "prod-admin", `(its rule for secrets is for verbs get, list only)`},
		{"POST", "/api/v1/namespaces/prod/pods/x/exec", "taped", `(its rule for pods/exec is for namespaces shop only)`},
		{"POST", "/api/v1/namespaces/shop/pods/x/eviction", "developers", `resources: ["pods/eviction"], namespaces: ["shop"]}; nothing`},
		{"GET", "/apis/apps/v1/deployments", "deployers", `(its rule for deployments is for namespaces shop only)`},
		{"GET", "/metrics", "developers", `paths: ["/metrics"]}; nothing`},
		// Nothing is near: neither one with an approval nor one that records is preferred.
		{"GET", "/apis/batch/v1/jobs", "developers", `resources: ["jobs"]}; nothing`},
	} {
		_, err := g.Authorize(t.Context(), &access.Caller{Name: "x"}, asked(tt.method, "prod", tt.target))
		if err == nil || !strings.Contains(err.Error(), `grant "`+tt.grant+`" came nearest, and would allow it with the rule {`) || !strings.Contains(err.Error(), tt.limits) {
			t.Errorf("%s %s: %v\nwant grant %q, %s", tt.method, tt.target, err, tt.grant, tt.limits)
		}
	}
}
