package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// applied is a line of an apply, as a client without our types reads it.
type applied struct {
	Result *struct {
		Object  struct{ Kind, Namespace, Name string }
		Action  string
		Status  int
		Problem *struct{ Code, Detail string }
	}
	Summary *struct{ Created, Configured, Unchanged, Pruned, Failed int }
}

// apply returns the action of each object, by kind and name, and the counts as a text.
func (sp *space) apply(query url.Values, body string) (actions map[string]string, counts string) {
	sp.t.Helper()
	target := sp.system.URL("/v1/clusters/" + sp.system.Ref() + "/apply?" + query.Encode())
	req, err := http.NewRequestWithContext(sp.t.Context(), "POST", target, strings.NewReader(body))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/yaml")
	res, err := sp.tunnel.client.Do(req)
	if err != nil {
		sp.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		sp.t.Fatalf("apply: %d %s", res.StatusCode, b)
	}
	actions = map[string]string{}
	for d := json.NewDecoder(res.Body); ; {
		var line applied
		if err := d.Decode(&line); err == io.EOF {
			return actions, counts
		} else if err != nil {
			sp.t.Fatal(err)
		}
		if r := line.Result; r != nil {
			actions[r.Object.Kind+"/"+r.Object.Name] = r.Action
			if r.Problem != nil {
				sp.t.Logf("%s/%s: %d %s: %s", r.Object.Kind, r.Object.Name, r.Status, r.Problem.Code, r.Problem.Detail)
			}
		} else {
			counts = fmt.Sprintf("%+v", *line.Summary)
		}
	}
}

// letAgent lets the agent do everything with objects of a group that only the test has.
func (sp *space) letAgent(group string) {
	sp.t.Helper()
	rbac := sp.admin.RbacV1()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: sp.name},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{group}, Resources: []string{"*"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: sp.name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: sp.name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "fairlead", Name: "agent"}},
	}
	if _, err := rbac.ClusterRoles().Create(sp.t.Context(), role, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	if _, err := rbac.ClusterRoleBindings().Create(sp.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(func() {
		err := errors.Join(rbac.ClusterRoleBindings().Delete(context.Background(), sp.name, metav1.DeleteOptions{}),
			rbac.ClusterRoles().Delete(context.Background(), sp.name, metav1.DeleteOptions{}))
		if err != nil {
			sp.t.Error(err)
		}
	})
}

// TestApply applies an application with a kind of its own in the wrong order, to a real API
// server.
func TestApply(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	group, made := sp.name+".example.com", sp.name+"-made"
	objects := map[string]string{
		"gadget":     fmt.Sprintf("apiVersion: %s/v1\nkind: Gadget\nmetadata: {name: g, namespace: %s, labels: {app: %s}}\nspec: {size: 3}\n", group, made, sp.name),
		"deployment": fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: %s, labels: {app: %s}}\nspec:\n  replicas: 0\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: main, image: none.invalid/x, ports: [{containerPort: 80}]}]}\n", made, sp.name),
		"config":     fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {app: %s}}\ndata: {a: b}\n", sp.name),
		"old":        fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old, labels: {app: %s}}\n", sp.name),
		"definition": fmt.Sprintf("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gadgets.%[1]s, labels: {app: %[2]s}}\nspec:\n  group: %[1]s\n  scope: Namespaced\n  names: {plural: gadgets, kind: Gadget}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}\n", group, sp.name),
		"namespace":  fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {app: %s}}\n", made, sp.name),
	}
	sp.letAgent(group)
	t.Cleanup(func() { // what is not of the test's namespace
		for _, path := range []string{"/api/v1/namespaces/" + made, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets." + group} {
			if err := sp.admin.CoreV1().RESTClient().Delete().AbsPath(path).Do(context.Background()).Error(); err != nil && !apierrors.IsNotFound(err) {
				t.Errorf("delete %s: %v", path, err)
			}
		}
	})
	body := func(names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, objects[n])
		}
		return strings.Join(all, "---\n")
	}
	everything := body("gadget", "deployment", "config", "old", "definition", "namespace")
	in := func(more ...string) url.Values {
		q := url.Values{"fieldManager": {"ci"}, "namespace": {made}}
		for i := 0; i < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return q
	}
	for _, step := range []struct {
		what  string
		query url.Values
		body  string
		want  string
	}{
		{"a dry run of nothing there", in("dryRun", "All"), body("namespace", "definition"), "{Created:2 Configured:0 Unchanged:0 Pruned:0 Failed:0}"},
		{"all of it", in(), everything, "{Created:6 Configured:0 Unchanged:0 Pruned:0 Failed:0}"},
		{"again", in(), everything, "{Created:0 Configured:0 Unchanged:6 Pruned:0 Failed:0}"},
		{"a dry run again", in("dryRun", "All"), everything, "{Created:0 Configured:0 Unchanged:6 Pruned:0 Failed:0}"},
		{"a dry run of a change", in("dryRun", "All"), strings.Replace(everything, "a: b", "a: c", 1), "{Created:0 Configured:1 Unchanged:5 Pruned:0 Failed:0}"},
		{"a change", in(), strings.Replace(everything, "a: b", "a: c", 1), "{Created:0 Configured:1 Unchanged:5 Pruned:0 Failed:0}"},
		{"somebody else's conflict", in("fieldManager", "someone"), body("config"), "{Created:0 Configured:0 Unchanged:0 Pruned:0 Failed:1}"},
		{"somebody else by force", in("fieldManager", "someone", "force", "true"), body("config"), "{Created:0 Configured:1 Unchanged:0 Pruned:0 Failed:0}"},
		{"a dry run of pruning", in("prune", "app="+sp.name, "dryRun", "All"), body("gadget", "deployment", "namespace", "definition"), "{Created:0 Configured:0 Unchanged:4 Pruned:0 Failed:0}"},
		{"pruning in a dry run of a named kind", in("prune", "app="+sp.name, "dryRun", "All", "pruneKind", "v1/ConfigMap"), body("gadget", "deployment", "namespace", "definition"), "{Created:0 Configured:0 Unchanged:4 Pruned:2 Failed:0}"},
		{"pruning", in("prune", "app="+sp.name, "pruneKind", "v1/ConfigMap"), body("gadget", "namespace", "definition"), "{Created:0 Configured:0 Unchanged:3 Pruned:2 Failed:0}"},
		{"pruning of a deployment", in("prune", "app="+sp.name, "pruneKind", "apps/v1/Deployment"), body("gadget", "namespace", "definition"), "{Created:0 Configured:0 Unchanged:3 Pruned:1 Failed:0}"},
		{"a field that is not there", in(), strings.Replace(objects["deployment"], "replicas", "replicass", 1), "{Created:0 Configured:0 Unchanged:0 Pruned:0 Failed:1}"},
	} {
		if actions, counts := sp.apply(step.query, step.body); counts != step.want {
			t.Errorf("%s: %s %v, want %s", step.what, counts, actions, step.want)
		}
	}
	maps, err := sp.admin.CoreV1().ConfigMaps(made).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + sp.name})
	if err != nil || len(maps.Items) > 0 {
		t.Errorf("config maps that are left: %+v, %v", maps, err)
	}
}
