package grant

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// many are 200 grants, each made by a text with the number as its verb.
func many(b *testing.B, grant string) *Grants {
	b.Helper()
	var text strings.Builder
	text.WriteString("grants:\n")
	for i := range 200 {
		fmt.Fprintf(&text, strings.ReplaceAll(grant, "%d", "%[1]d"), i)
	}
	g, err := New(parse(b, text.String()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(g.Close)
	return g
}

// BenchmarkAuthorize decides with 200 grants, among them the worst cases: the last
// grant matches or none does, and all of them are the caller's and for the cluster.
// The request is a new one each time, whose path is read too.
func BenchmarkAuthorize(b *testing.B) {
	const head = "- {name: g%d, clusters: [\"c%d.acme\", \"*.t%d\", \"prod.acme\"], as: {agent: true}, "
	const project = `when: ['caller.issuer == "gitlab"', 'claims.project_path == "acme/p%d"', 'claims.ref_protected == "true"']}` + "\n"
	const same = `when: ['caller.issuer == "gitlab"', 'claims.ref_protected == "true"'], `
	for _, bench := range []struct{ name, grant, path string }{
		{"a project's own grant, the last", head + project, "/api/v1/namespaces/shop/pods"},
		{"rules, the last matches", head + same + `requests: [{verbs: [get, list, watch], apiGroups: ["", apps], resources: [pods, deployments], namespaces: [ns%d]}, {verbs: [create], resources: [pods/exec], namespaces: [ns%d]}]}` + "\n", "/api/v1/namespaces/ns199/pods"},
		{"rules, none matches", head + same + `requests: [{verbs: [get, list, watch], apiGroups: ["", apps], resources: [pods, deployments], namespaces: [ns%d]}, {verbs: [create], resources: [pods/exec], namespaces: [ns%d]}]}` + "\n", "/api/v1/namespaces/other/pods"},
		{"conditions on requests, the last matches", head + `when: ['caller.issuer == "gitlab"', 'request.namespace == "ns%d"']}` + "\n", "/api/v1/namespaces/ns199/pods"},
		{"conditions on requests, none matches", head + `when: ['caller.issuer == "gitlab"', 'request.namespace == "ns%d"']}` + "\n", "/api/v1/namespaces/other/pods"},
		{"conditions on claims and requests, none matches", head + `when: ['caller.issuer == "gitlab"', 'request.namespace == claims.sub && request.name != "%d"']}` + "\n", "/api/v1/namespaces/other/pods"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			g := many(b, bench.grant)
			c := gitlab(map[string]any{"project_path": "acme/p199", "ref_protected": "true", "sub": "x"})
			b.ReportAllocs()
			for b.Loop() {
				req := &access.Request{Cluster: subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}, Method: "GET", Target: bench.path}
				if _, err := g.Authorize(b.Context(), c, req); (err != nil) != strings.HasSuffix(bench.name, "none matches") {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("a new caller", func(b *testing.B) {
		g := many(b, head+project)
		b.ReportAllocs()
		for b.Loop() {
			c := gitlab(map[string]any{"project_path": "acme/p199", "ref_protected": "true", "sub": "x"})
			req := &access.Request{Cluster: subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}, Method: "GET", Target: "/api/v1/pods"}
			if _, err := g.Authorize(b.Context(), c, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}
