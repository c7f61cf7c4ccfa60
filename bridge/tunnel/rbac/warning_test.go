package rbac

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

const agentName = "system:serviceaccount:fairlead:fairlead-agent"

// status is the body of a 403 with a message.
func status(t testing.TB, message string) []byte {
	t.Helper()
	b, err := json.Marshal(&metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Message: message, Reason: "Forbidden", Code: 403})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// text is the text of the warning about a request, as client-go reads it.
func text(t testing.TB, as *subjects.Identity, method, target string, body []byte) string {
	t.Helper()
	info, err := requestinfo.Parse(method, target)
	if err != nil {
		t.Fatal(err)
	}
	r := Refusal{Cluster: "prod.acme", As: as, Info: info, Body: body}
	value := r.Warning()
	if value == "" {
		return ""
	}
	warnings, errs := net.ParseWarningHeaders([]string{value})
	if len(errs) > 0 || len(warnings) != 1 || warnings[0].Code != 299 || len(warnings[0].Text) > MaxWarning {
		t.Fatalf("%q: %v, %v", value, warnings, errs)
	}
	return warnings[0].Text
}

// Each refusal says as whom the request was executed, and the one line that allows it.
func TestWarningSaysWhatWouldAllowIt(t *testing.T) {
	job := &subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"gitlab:acme", "ci jobs"}}
	account := &subjects.Identity{User: "system:serviceaccount:shop:deployer"}
	const refused = `Kubernetes RBAC of cluster "prod.acme" refused this request. It was executed as `
	const asJob = refused + `user "gitlab:acme/shop" in groups "gitlab:acme", "ci jobs". To allow it: `
	for _, tt := range []struct {
		as                   *subjects.Identity
		method, target, verb string
		want                 string
	}{
		{job, "GET", "/api/v1/namespaces/shop/pods", "list",
			asJob + "kubectl create rolebinding N -n shop --clusterrole=view --user=gitlab:acme/shop"},
		{job, "GET", "/api/v1/namespaces/shop/secrets/x", "get",
			asJob + "kubectl create rolebinding N -n shop --clusterrole=edit --user=gitlab:acme/shop"},
		{job, "POST", "/api/v1/namespaces/shop/pods/web/exec", "create",
			asJob + "kubectl create rolebinding N -n shop --clusterrole=edit --user=gitlab:acme/shop"},
		{job, "PATCH", "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/x", "patch",
			asJob + "kubectl create rolebinding N -n shop --clusterrole=admin --user=gitlab:acme/shop"},
		{job, "GET", "/apis/apps/v1/deployments", "list",
			asJob + "kubectl create clusterrolebinding N --clusterrole=view --user=gitlab:acme/shop"},
		{job, "GET", "/api/v1/nodes/n1", "get",
			asJob + "kubectl create clusterrole N --verb=get --resource=nodes && kubectl create clusterrolebinding N --clusterrole=N --user=gitlab:acme/shop"},
		{job, "PATCH", "/apis/example.com/v1/namespaces/shop/widgets/w/status", "patch",
			asJob + "kubectl create role N -n shop --verb=patch --resource=widgets.example.com/status && " +
				"kubectl create rolebinding N -n shop --role=N --user=gitlab:acme/shop"},
		{account, "GET", "/api/v1/namespaces/shop/pods", "list",
			refused + `user "system:serviceaccount:shop:deployer" without groups. To allow it: ` +
				"kubectl create rolebinding N -n shop --clusterrole=view --serviceaccount=shop:deployer"},
		{nil, "GET", "/api/v1/namespaces/shop/pods", "list",
			refused + `the cluster's agent itself, "` + agentName + `". To allow it: ` +
				"kubectl create rolebinding N -n shop --clusterrole=view --serviceaccount=fairlead:fairlead-agent"},
		{&subjects.Identity{User: "o'neill $(x)"}, "GET", "/api/v1/namespaces/shop/pods", "list",
			refused + `user "o'neill $(x)" without groups. To allow it: ` +
				`kubectl create rolebinding N -n shop --clusterrole=view --user='o'\''neill $(x)'`},
		{&subjects.Identity{User: "jörg"}, "GET", "/api/v1/namespaces/shop/pods", "list",
			refused + `user "jörg" without groups. To allow it: kubectl create rolebinding N -n shop --clusterrole=view --user='jörg'`},
	} {
		user := agentName
		if tt.as != nil {
			user = tt.as.User
		}
		body := status(t, `x is forbidden: User "`+user+`" cannot `+tt.verb+` resource "x" in API group "" in the namespace "shop"`)
		if got := named(text(t, tt.as, tt.method, tt.target, body)); got != tt.want {
			t.Errorf("%s %s\n got %s\nwant %s", tt.method, tt.target, got, tt.want)
		}
	}
}

// Since Kubernetes 1.35 a WebSocket to a pod needs the verb create beside get: whichever
// is missing, the refusal is explained.
func TestWarningAboutWebSockets(t *testing.T) {
	const target = "/api/v1/namespaces/shop/pods/web/"
	for verb, want := range map[string]bool{"get": true, "create": true, "delete": false} {
		for _, sub := range []string{"exec", "attach", "portforward"} {
			body := status(t, `pods "web" is forbidden: User "jane" cannot `+verb+` resource "pods/`+sub+`" in API group "" in the namespace "shop"`)
			got := text(t, &subjects.Identity{User: "jane"}, "GET", target+sub, body)
			if strings.HasSuffix(got, "-n shop --clusterrole=edit --user=jane") != want {
				t.Errorf("%s of %s: %q", verb, sub, got)
			}
		}
	}
	body := status(t, `pods "web" is forbidden: User "jane" cannot create resource "pods/log" in API group "" in the namespace "shop"`)
	if got := text(t, nil, "GET", target+"log", body); got != "" {
		t.Errorf("log: %q", got)
	}
}

// named writes N for the names of roles and bindings.
func named(s string) string {
	for i := strings.Index(s, "fairlead-"); i >= 0; i = strings.Index(s, "fairlead-") {
		if len(s) < i+17 || strings.HasPrefix(s[i:], "fairlead-agent") {
			s = s[:i] + "FAIRLEAD-" + s[i+9:]
			continue
		}
		s = s[:i] + "N" + s[i+17:]
	}
	return strings.ReplaceAll(s, "FAIRLEAD-", "fairlead-")
}

// An agent that may not act as the user is told apart, with the chart's value.
func TestWarningAboutImpersonation(t *testing.T) {
	as := &subjects.Identity{User: "jane", Groups: []string{"dev"}}
	for resource, value := range map[string]string{
		"users": "impersonation.users", "groups": "impersonation.groups", "serviceaccounts": "impersonation.serviceAccounts",
		"userextras/scopes": "impersonation.extras", "uids": "impersonation.uids", "robots": "value impersonation ",
	} {
		body := status(t, `x "y" is forbidden: User "`+agentName+`" cannot impersonate resource "`+resource+`" in API group "" at the cluster scope`)
		got := text(t, as, "GET", "/api/v1/namespaces/shop/pods", body)
		if !strings.Contains(got, `The agent of cluster "prod.acme" may not act as user "jane" in groups "dev"`) || !strings.Contains(got, value) {
			t.Errorf("%s: got %s", resource, got)
		}
	}
}

// Nothing is said about a 403 of another kind: no binding would help.
func TestNoWarning(t *testing.T) {
	rbac := status(t, `pods is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "shop"`)
	for _, tt := range []struct {
		name, target string
		body         []byte
	}{
		{"admission", "/api/v1/namespaces/shop/pods/a", status(t, `pods "a" is forbidden: violates PodSecurity "restricted:latest"`)},
		{"quota", "/api/v1/namespaces/shop/pods/a", status(t, `pods "a" is forbidden: exceeded quota: q`)},
		{"no body", "/api/v1/namespaces/shop/pods/a", nil},
		{"a proxied service", "/api/v1/namespaces/shop/services/web/proxy/a", rbac},
		{"not a resource", "/metrics", rbac},
		{"ambiguous", "/api/v1/namespaces/shop/pods/a%2Fb", rbac},
		{"another verb", "/api/v1/namespaces/shop/pods", rbac},
		{"far behind", "/api/v1/namespaces/shop/pods/a", append(make([]byte, MaxBody), rbac...)},
	} {
		if got := text(t, nil, "GET", tt.target, tt.body); got != "" {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

// Whatever the names, a warning is one bounded line, and a shell reads the names of
// its command as they are.
func FuzzWarning(f *testing.F) {
	f.Add("jane", "dev", "/api/v1/namespaces/shop/pods", "jane")
	f.Add("a\nb", "\x00", "/apis/x.io/v1/namespaces/a%20b/things/t/sub", `a\"`)
	f.Add(strings.Repeat("é", 5000), strings.Repeat("g", 5000), "/api/v1/nodes", strings.Repeat("x", 3000))
	f.Fuzz(func(t *testing.T, user, group, target, named string) {
		info, err := requestinfo.Parse("GET", target)
		if err != nil {
			return
		}
		for _, as := range []*subjects.Identity{nil, {User: user, Groups: []string{group, group, group, group, group, group, group}}} {
			for _, verb := range []string{info.Verb, "impersonate"} {
				body := []byte(`User \"` + named + `\" cannot ` + verb + ` resource \"groups\"`)
				got := text(t, as, "GET", target, body)
				if strings.ContainsFunc(got, func(c rune) bool { return c < ' ' || c == 0x7f }) {
					t.Errorf("%q", got)
				}
			}
		}
	})
}

// A shell gives back each name that was quoted for it.
func TestShellReadsNames(t *testing.T) {
	for _, name := range []string{"a b", "$(id)", "`id`", "o'neill", `a"b\c`, "*", "~", "a;b", "jörg", "#x"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(name)).Output()
		if err != nil || string(out) != name {
			t.Errorf("%s became %q, %v", quoted(name), out, err)
		}
	}
}
