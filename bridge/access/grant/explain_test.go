package grant

import (
	"fmt"
	"strings"
	"testing"
)

// Every reason of every grant is told, not the first.
func TestExplain(t *testing.T) {
	g := open(t, shop)
	explained := func(claims map[string]any, method, cluster, target string) string {
		var b strings.Builder
		e := g.Explain(t.Context(), gitlab(claims), asked(method, cluster, target), false)
		for _, c := range e.Grants {
			fmt.Fprintf(&b, "%s: %s\n", c.Grant, strings.Join(c.Reasons, "; "))
		}
		return fmt.Sprintf("%s%v %s", b.String(), e.Allowed, e.Grant)
	}
	for _, c := range []struct{ got, want string }{
		{explained(job, "GET", "prod.acme", "/api/v1/namespaces/shop/pods/web"), `deploy: 
tests: when[2] is false: cluster.labels.env == "test" || cluster.name == "scratch"; when[3] is false: request.namespace.startsWith("ci-") && request.verb != "delete"
everyone: clusters: none of status.acme is prod.acme; requests: no rule matches; it would take {verbs: [get], apiGroups: [""], resources: ["pods"], namespaces: ["shop"]}
platform: when[0] is false: caller.method == "token" && caller.name == "platform"
true deploy`},
		{explained(map[string]any{"project_path": "acme/shop"}, "GET", "one.lab", "/api/v1/namespaces/ci-7/pods"), `deploy: when[2] has no value: claims.ref_protected == "true": no such key: ref_protected; requests: no rule matches; it would take {verbs: [list], apiGroups: [""], resources: ["pods"], namespaces: ["ci-7"]}
tests: 
everyone: clusters: none of status.acme is one.lab; requests: no rule matches; it would take {verbs: [list], apiGroups: [""], resources: ["pods"], namespaces: ["ci-7"]}
platform: when[0] is false: caller.method == "token" && caller.name == "platform"
false `}, // the user cannot be made
		{explained(job, "DELETE", "prod.acme", "/api/v1/namespaces/shop/deployments/%2A"), `deploy: requests: no rule matches: deployments are in API group "apps", and the request is for "": ask for deployments.apps
tests: when[2] is false: cluster.labels.env == "test" || cluster.name == "scratch"; when[3] is false: request.namespace.startsWith("ci-") && request.verb != "delete"
everyone: clusters: none of status.acme is prod.acme; requests: no rule matches: deployments are in API group "apps", and the request is for "": ask for deployments.apps
platform: when[0] is false: caller.method == "token" && caller.name == "platform"
false `},
		{explained(job, "GET", "other.acme", "/api/v1/namespaces/shop/../x"), `deploy: clusters: none of prod.acme, *.lab is other.acme; requests: the request cannot be read, or in more than one way, so that only a grant for every request is for it
tests: when[2] is false: cluster.labels.env == "test" || cluster.name == "scratch"; when[3] has no value: the request cannot be read, or in more than one way
everyone: clusters: none of status.acme is other.acme; requests: the request cannot be read, or in more than one way, so that only a grant for every request is for it
platform: when[0] is false: caller.method == "token" && caller.name == "platform"
false `},
	} {
		if c.got != c.want {
			t.Errorf("got\n%s\nwant\n%s", c.got, c.want)
		}
	}
}
