package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/passage"
)

// toServer is the way to the host of a URL.
func toServer(t *testing.T, server string) *passage.Passage {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return passage.New(t, u.Host)
}

// ours is a platform whose own cluster says who callers are and what they may do. The
// same cluster is behind the tunnel, where its users have other names.
type ours struct {
	*guarded
	passage *passage.Passage // the way to its API server
}

const ourAudience = "https://fairlead.test"

func newOurs(sp *space) *ours {
	sp.t.Helper()
	o := &ours{guarded: newGuarded(sp), passage: toServer(sp.t, sp.kube.Server)}
	o.account("bridge")
	bind := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: sp.name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "bridge", Namespace: sp.name}},
	}
	bindings := sp.admin.RbacV1().ClusterRoleBindings()
	if _, err := bindings.Create(sp.t.Context(), bind, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(func() {
		if err := bindings.Delete(context.Background(), sp.name, metav1.DeleteOptions{}); err != nil {
			sp.t.Error(err)
		}
	})
	ca, err := os.ReadFile(sp.kube.CAFile)
	if err != nil {
		sp.t.Fatal(err)
	}
	token := o.accountToken("bridge", "")
	files := map[string]string{
		"tokenreview":  "/apis/authentication.k8s.io/v1/tokenreviews",
		"accessreview": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
	}
	for name, path := range files {
		files[name], err = harness.WriteKubeconfig(filepath.Join(o.dir, name), "https://"+o.passage.Address()+path, ca, token)
		if err != nil {
			sp.t.Fatal(err)
		}
	}
	o.replace(`authentication:
  tokenReview:
    kubeconfig: ` + files["tokenreview"] + `
    audiences: [` + ourAudience + `]
    cache: {allowed: 1s, denied: 1s}
authorization:
  subjectAccessReview:
    kubeconfig: ` + files["accessreview"] + `
    cache: {allowed: 1s, denied: 1s}
    as: {user: '"platform:" + caller.name', groups: '["platform:` + sp.name + `"]'}
`)
	o.start(harness.SystemOptions{Tenant: sp.name})
	return o
}

// account makes a service account of the platform.
func (o *ours) account(name string) {
	o.sp.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := o.sp.admin.CoreV1().ServiceAccounts(o.sp.name).Create(o.sp.t.Context(), account, metav1.CreateOptions{}); err != nil {
		o.sp.t.Fatal(err)
	}
}

// accountToken makes a token for an audience; "": that of the API server.
func (o *ours) accountToken(name, audience string) string {
	o.sp.t.Helper()
	args := []string{"create", "token", name, "-n", o.sp.name, "--duration=1h"}
	if audience != "" {
		args = append(args, "--audience="+audience)
	}
	token, err := o.sp.kube.Run(o.sp.t.Context(), "", args...)
	if err != nil {
		o.sp.t.Fatal(err)
	}
	return strings.TrimSpace(token)
}

// TestPlatformsCluster: the API server of the platform says by TokenReview who a caller
// is, and by SubjectAccessReview what it may do in the clusters behind the tunnel. What
// it takes back ends, and while it is down nobody gets in.
func TestPlatformsCluster(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	o := newOurs(sp)
	o.account("ann")
	o.account("bob")
	// The platform's cluster decides over clusters, which it has no objects for.
	clusters := rbacv1.PolicyRule{APIGroups: []string{"fairlead.io"}, Resources: []string{"clusters"}, ResourceNames: []string{"prod"}, Verbs: []string{"get"}}
	sp.allow("ServiceAccount", "ann", clusters, rule("get,list,watch", "configmaps", "pods"))
	sp.allow("ServiceAccount", "bob", rule("*", "configmaps", "pods"))
	// The cluster behind the tunnel would allow more.
	sp.allow("Group", "platform:"+sp.name, rule("*", "configmaps", "secrets"))
	sp.configMap("seen", nil)
	from := sp.auditNow()
	account := "system:serviceaccount:" + sp.name + ":"
	ann, bob := o.side("ann", o.accountToken("ann", ourAudience)), o.side("bob", o.accountToken("bob", ourAudience))

	if got := sp.must(sp.on(ann, "get", "configmaps", "-o", "name")); !strings.Contains(got, "configmap/seen") {
		t.Errorf("get: %s", got)
	}
	for name, tt := range map[string]struct {
		side side
		args []string
		want string
	}{
		"refused by the platform": {ann, []string{"get", "secrets"}, `"` + account + `ann"`},
		"verb not given":          {ann, []string{"delete", "configmap", "seen"}, `"` + account + `ann"`},
		"refused by the cluster":  {ann, []string{"get", "pods"}, `User "platform:` + account + `ann" cannot list resource "pods"`},
		"not this cluster":        {bob, []string{"get", "configmaps"}, "cluster"},
		"another audience":        {o.side("elsewhere", o.accountToken("ann", "")), []string{"get", "configmaps"}, "provide credentials"},
	} {
		r := sp.do(sp.on(tt.side, tt.args...))
		if r.code == 0 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q, want %q", name, r.code, r.stderr, tt.want)
		}
	}
	o.ends(ann, bob)
	for _, e := range sp.mustAudit(from, sp.name, func(e auditEvent) bool {
		return e.authorized() && e.User.Username == harness.AgentUser && strings.HasPrefix(e.RequestURI, sp.path(""))
	}) {
		if !e.acted("platform:" + account + "ann") {
			t.Errorf("the cluster behind the tunnel saw %s %s as %v", e.Verb, e.RequestURI, e.ImpersonatedUser)
		}
		if strings.Contains(e.RequestURI, "/secrets") || e.Verb == "delete" {
			t.Errorf("%s %s was executed", e.Verb, e.RequestURI)
		}
	}
}

// ends: what the platform takes back ends, and so does what it cannot be asked about.
func (o *ours) ends(ann, bob side) {
	sp, t := o.sp, o.sp.t
	t.Helper()
	rbac := sp.admin.RbacV1()
	watch := o.watching(ann, "before-the-role-goes")
	if err := rbac.RoleBindings(sp.name).Delete(t.Context(), "serviceaccount-ann", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	watch.wait(20 * time.Second)
	if r := sp.do(sp.on(ann, "get", "configmaps")); r.code == 0 || !strings.Contains(r.stderr, "Forbidden") {
		t.Errorf("after the role was taken back: exit code %d, %s", r.code, r.stderr)
	}
	clusters := rbacv1.PolicyRule{APIGroups: []string{"fairlead.io"}, Resources: []string{"clusters"}, Verbs: []string{"get"}}
	sp.allow("Group", "system:serviceaccounts:"+sp.name, clusters, rule("get,list,watch", "configmaps"))
	get := func(s side, path string) answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ask(t, s, req)
	}
	status := func(s side, want int) func(context.Context) error {
		return func(context.Context) error {
			if a := get(s, sp.path("/configmaps")); a.status != want {
				return errors.New(string(a.body))
			}
			return nil
		}
	}
	sp.until("ann to be allowed again", status(ann, http.StatusOK))

	o.passage.Close()
	for _, s := range []side{ann, bob} {
		sp.until("a 503 for "+s.name, status(s, http.StatusServiceUnavailable))
		if a := get(s, sp.path("/configmaps")); !strings.Contains(string(a.body), "review-unreachable") || !strings.Contains(string(a.body), "the token review service cannot be reached") {
			t.Errorf("%s, while the API server is down: %d %s", s.name, a.status, a.body)
		}
	}
	if a := get(side{name: "admin", server: ann.server, client: o.system.Client()}, "/version"); a.status != http.StatusOK {
		t.Errorf("a token of the bridge's own file, while the API server is down: %d %s", a.status, a.body)
	}
	o.passage.Open(t)
	sp.until("ann to be let in again", status(ann, http.StatusOK))

	watch = o.watching(ann, "before-the-account-goes")
	if err := sp.admin.CoreV1().ServiceAccounts(sp.name).Delete(t.Context(), "ann", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// An API server itself remembers tokens for 10 s.
	watch.wait(30 * time.Second)
	sp.until("the token of the deleted account to be refused", status(ann, http.StatusUnauthorized))
}

// watching starts a watch that is known to run: kubectl lists first, and what it prints
// then says nothing about the watch, whose answer of the platform is another.
func (o *ours) watching(s side, name string) *running {
	o.sp.t.Helper()
	watch := o.sp.start(o.sp.on(s, "get", "configmaps", "-w"))
	watch.expect("seen")
	o.sp.configMap(name, nil)
	watch.expect(name)
	return watch
}
