package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
)

// ownersList is what the owner of the cluster lets the platform do.
const ownersList = `
secrets: false
as: {agent: true, users: ["NAMESPACE:*"], groups: ["NAMESPACE:shop"]}
requests:
  - {verbs: ["*"], resources: ["*"], namespaces: [NAMESPACE]}
  - {verbs: ["*"], apiGroups: [apps], resources: ["*"], namespaces: [NAMESPACE]}
  - {verbs: [get], paths: [/version]}
`

// TestAccessReview: each lock answers for itself, the last one by the API server's own
// SelfSubjectAccessReview, and the request itself is answered as the review said.
func TestAccessReview(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	g := newGuarded(sp)
	allow := filepath.Join(g.dir, "allow.yaml")
	if err := os.WriteFile(allow, []byte(strings.ReplaceAll(ownersList, "NAMESPACE", sp.name)), 0o600); err != nil {
		t.Fatal(err)
	}
	g.replace("approvals: {file: " + g.dir + "/approvals.json}\n" + g.idTokens("fairlead") + `grants:
  - name: glass
    clusters: [prod.acme]
    when: [caller.issuer == "idp"]
    requests: [{verbs: ["*"], apiGroups: [apps], resources: ["*"]}]
    requires: approval
    as: {user: caller.name}
  - name: shop
    clusters: [prod.acme]
    when: [caller.issuer == "idp"]
    requests:
      - {verbs: [get, list, create, delete], resources: ["*"], namespaces: [` + sp.name + `, kube-system]}
    as: {user: caller.name, groups: '["` + sp.name + `:shop"]'}
`)
	g.start(harness.SystemOptions{AgentFlags: []string{"--allow", allow}})
	sp.allow("Group", sp.name+":shop", rule("get,list", "configmaps", "secrets"))
	sp.configMap("one", nil)
	from := sp.auditNow()
	ann := g.person("ann")

	for _, tt := range []struct {
		method, path string
		want         api.AccessReviewResult
		says         string
	}{
		{"GET", sp.path("/configmaps/one"), api.AccessReviewResult{Allowed: true, Lock: "rbac", Grant: "shop"}, "RoleBinding"},
		{"GET", sp.path("/configmaps"), api.AccessReviewResult{Allowed: true, Lock: "rbac", Grant: "shop"}, "RoleBinding"},
		{"DELETE", sp.path("/configmaps/one"), api.AccessReviewResult{Lock: "rbac", Grant: "shop"}, ""},
		{"GET", sp.path("/pods"), api.AccessReviewResult{Lock: "rbac", Grant: "shop"}, ""},
		{"GET", sp.path("/secrets"), api.AccessReviewResult{Lock: "allow-list", Grant: "shop", Code: "refused"}, "secrets: false"},
		{"GET", "/api/v1/namespaces/kube-system/configmaps", api.AccessReviewResult{Lock: "allow-list", Grant: "shop", Code: "refused"}, "rule requests"},
		{"PATCH", sp.path("/configmaps/one"), api.AccessReviewResult{Lock: "grant", Code: "forbidden"}, "came nearest"},
		{"GET", "/api/v1/namespaces/default/configmaps", api.AccessReviewResult{Lock: "grant", Code: "forbidden"}, "came nearest"},
		{"GET", "/api/v1/configmaps", api.AccessReviewResult{Lock: "grant", Code: "forbidden"}, "came nearest"},
		{"GET", "/apis/apps/v1/namespaces/" + sp.name + "/deployments", api.AccessReviewResult{Lock: "approval", Code: "approval-required"}, "approv"},
	} {
		var got api.AccessReviewResult
		status := g.api(ann, "POST", "/v1/clusters/prod.acme/access-reviews", api.AccessReview{Method: tt.method, Path: tt.path}, &got)
		as, reason := got.As, got.Reason
		got.As, got.Reason = nil, ""
		if status != http.StatusOK || got != tt.want || !strings.Contains(reason, tt.says) {
			t.Errorf("%s %s: %d\n got %+v, %q\nwant %+v, %q", tt.method, tt.path, status, got, reason, tt.want, tt.says)
		}
		if got.Grant != "" && (as == nil || as.User != sp.name+":ann") {
			t.Errorf("%s %s: as %+v", tt.method, tt.path, as)
		}
		req, err := http.NewRequestWithContext(t.Context(), tt.method, ann.server+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := ask(t, ann, req); (a.status == http.StatusOK) != got.Allowed || !got.Allowed && a.status != http.StatusForbidden {
			t.Errorf("%s %s: %d, though the review said %+v: %s", tt.method, tt.path, a.status, got, a.body)
		}
	}
	reviews := sp.mustAudit(from, "/selfsubjectaccessreviews", func(e auditEvent) bool { return e.Stage == responseComplete && e.acted(sp.name+":ann") })
	if len(reviews) != 4 {
		t.Errorf("the API server was asked for %d reviews as ann, want the 4 of RBAC", len(reviews))
	}
}
