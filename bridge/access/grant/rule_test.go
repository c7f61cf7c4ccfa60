package grant

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// rbacMatches is the semantic of a PolicyRule, word by word as the documentation of
// Kubernetes' RBAC has it, without regard to speed.
func rbacMatches(r *Rule, i *requestinfo.Info) bool {
	has := func(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }
	if !has(r.Verbs, i.Verb) {
		return false
	}
	if !i.IsResource {
		for _, p := range r.Paths {
			if p == i.Path || strings.HasSuffix(p, "*") && strings.HasPrefix(i.Path, strings.TrimSuffix(p, "*")) {
				return true
			}
		}
		return false
	}
	groups := r.APIGroups
	if groups == nil {
		groups = []string{""}
	}
	wanted := i.Resource
	if i.Subresource != "" {
		wanted += "/" + i.Subresource
	}
	return has(groups, i.APIGroup) &&
		(has(r.Resources, wanted) || i.Subresource != "" && slices.Contains(r.Resources, "*/"+i.Subresource)) &&
		(len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, i.Namespace)) &&
		(len(r.Names) == 0 || slices.Contains(r.Names, i.Name))
}

// Rules match as those of RBAC do, for requests made at random, except for what runs
// commands.
func TestRulesAreThoseOfRBAC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(from ...string) []string {
		var l []string
		for _, s := range from {
			if random.IntN(3) == 0 {
				l = append(l, s)
			}
		}
		return l
	}
	one := func(from ...string) string { return from[random.IntN(len(from))] }
	matched := 0
	for range 40_000 {
		r := Rule{
			Verbs:     some("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"),
			Resources: some("pods", "pods/log", "*/log", "*/scale", "deployments", "deployments/scale", "*", "namespaces"),
			APIGroups: some("", "apps", "*"), Namespaces: some("a", "b"), Names: some("x", "y"),
		}
		if random.IntN(5) == 0 {
			r = Rule{Verbs: some("get", "post", "*", "options", "head"), Paths: some("/version", "/healthz*", "/api", "/apis/*", "*")}
		}
		if len(r.faults()) > 0 {
			continue
		}
		prefix := one("/api/v1", "/apis/apps/v1", "/apis/batch/v1")
		ns := one("", "/namespaces/a", "/namespaces/b", "/namespaces/c")
		target := prefix + ns + "/" + one("pods", "deployments", "configmaps") + one("", "/x", "/y", "/x/log", "/y/scale", "/z/status")
		target = one(target, target, target, target+"?watch=true", target+"?fieldSelector=metadata.name%3Dx", "/version", "/healthz/etcd", "/apis/apps", "/api", "/x", "/api/v1/namespaces", "/api/v1/namespaces/a")
		info, err := requestinfo.Parse(one("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), target)
		if err != nil {
			t.Fatal(err)
		}
		table := make(symbols)
		c := r.compile(table)
		got, want := c.matches(newRequest(table, info, nil)), rbacMatches(&r, info)
		if got != want {
			t.Fatalf("%+v matches %+v: %v, want %v", r, *info, got, want)
		}
		if got {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d requests matched", matched)
	}
}

// What runs commands needs the verb create, by whichever method it is asked for.
func TestExecNeedsCreate(t *testing.T) {
	for target, matching := range map[string]string{
		"/api/v1/namespaces/a/pods/x/exec":        "create pods/exec",
		"/api/v1/namespaces/a/pods/x/attach":      "create pods/attach",
		"/api/v1/namespaces/a/pods/x/portforward": "create pods/portforward",
		"/api/v1/nodes/x/proxy/run/a/b/c":         "create nodes/proxy",
	} {
		_, resource, _ := strings.Cut(matching, " ")
		for _, method := range []string{"GET", "POST"} {
			info, err := requestinfo.Parse(method, target)
			if err != nil {
				t.Fatal(err)
			}
			for _, verbs := range [][]string{{"create"}, {"*"}, {"get", "list", "watch"}, {"get", "update", "patch", "delete"}} {
				for _, resources := range [][]string{{resource}, {"*"}} {
					r := Rule{Verbs: verbs, Resources: resources}
					table := make(symbols)
					c := r.compile(table)
					want := verbs[0] != "get"
					if got := c.matches(newRequest(table, info, nil)); got != want {
						t.Errorf("%s %s by %v: %v, want %v", method, target, r, got, want)
					}
				}
			}
		}
	}
	// What only reads, or is another group's, is as in RBAC.
	for _, target := range []string{"/api/v1/namespaces/a/pods/x/log", "/api/v1/namespaces/a/services/x/proxy/", "/apis/subresources.kubevirt.io/v1/namespaces/a/pods/x/exec"} {
		info, err := requestinfo.Parse("GET", target)
		if err != nil {
			t.Fatal(err)
		}
		r := Rule{Verbs: []string{"get"}, Resources: []string{"*"}, APIGroups: []string{"*"}}
		table := make(symbols)
		c := r.compile(table)
		if !c.matches(newRequest(table, info, nil)) {
			t.Errorf("GET %s: does not match %v", target, r)
		}
	}
}

// A request that servers may read in different ways matches no rule, even of "*".
func FuzzRules(f *testing.F) {
	for _, target := range []string{"/api/v1/namespaces/a/pods/x/exec?command=a", "/api/v1/namespaces/a/../b/pods", "/api/v1/namespaces/a%2fpods", "//api/v1/pods", "/api/v1/pods;x"} {
		f.Add("GET", target, "pods", "a", "x")
	}
	f.Fuzz(func(t *testing.T, method, target, resource, namespace, name string) {
		info, err := requestinfo.Parse(method, target)
		r := newRequest(nil, info, err)
		if err != nil || info.Ambiguous {
			if r != nil {
				t.Errorf("%s %q is judged", method, target)
			}
			return
		}
		rule := Rule{Verbs: []string{"create", "get"}, Resources: []string{resource}, Namespaces: []string{namespace}, Names: []string{name}}
		table := make(symbols)
		c := rule.compile(table)
		want := rbacMatches(&rule, info)
		if info.IsResource && info.Subresource != "" && runs(info.Resource, info.Subresource) {
			return // TestExecNeedsCreate
		}
		if got := c.matches(newRequest(table, info, nil)); got != want {
			t.Errorf("%s %q by %s: %v, want %v", method, target, fmt.Sprint(rule), got, want)
		}
	})
}
