package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// shop is an application in the wrong order.
const shop = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: shop, labels: {app: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: shop}}
---
# nothing
---
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop", "labels": {"app": "shop"}}, "data": {"mode": "0644"}}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com, labels: {app: shop}}
spec: {group: example.com, names: {kind: Widget}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {app: shop}}
`

// applies makes an apply, and returns the action of each object by its name, the summary, and
// the results.
func (r *rig) applies(query, body string) (actions map[string]string, sum *api.ApplySummary, results []*api.ApplyResult) {
	r.t.Helper()
	req := r.request("POST", "/v1/clusters/prod/apply?"+query, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/yaml")
	res, err := r.h2.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		r.t.Fatalf("%d %s", res.StatusCode, b)
	}
	actions = map[string]string{}
	for d := json.NewDecoder(res.Body); ; {
		var line api.ApplyLine
		if err := d.Decode(&line); err == io.EOF {
			return actions, sum, results
		} else if err != nil {
			r.t.Fatal(err)
		}
		switch {
		case sum != nil:
			r.t.Errorf("after the summary: %+v", line)
		case line.Summary != nil:
			sum = line.Summary
		default:
			name := line.Result.Object.Kind + "/" + line.Result.Object.Name
			if actions[name] != "" {
				r.t.Errorf("two results for %s", name)
			}
			actions[name] = line.Result.Action
			results = append(results, line.Result)
		}
	}
}

func applyRig(t *testing.T, o rigOptions) (*rig, *fakeKube) {
	r, k := newRig(t, o), newFakeKube()
	r.agent("default", "prod", k.serve)
	return r, k
}

// TestApply: what others need comes first, the definition of a kind is waited for, and a
// second apply changes nothing.
func TestApply(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	k.crdReads = 2
	actions, sum, results := r.applies("", shop)
	if sum == nil || sum.Created != 5 || sum.Failed != 0 || len(actions) != 5 || sum.DryRun || sum.NotPruned != "" {
		t.Fatalf("%+v, %+v", sum, text(results))
	}
	want := []string{"/api/v1/namespaces/shop", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com",
		"/api/v1/namespaces/shop/configmaps/c", "/apis/apps/v1/namespaces/shop/deployments/web", "/apis/example.com/v1/namespaces/shop/widgets/w"}
	if got := k.made("PATCH"); !slices.Equal(got, want) {
		t.Errorf("applied in the order %v", got)
	}
	for _, res := range results {
		if res.Status != 201 || !slices.Equal(res.Warnings, []string{"old API"}) || res.Problem != nil {
			t.Errorf("%s", text(res))
		}
	}
	if _, sum, _ = r.applies("", shop); sum.Unchanged != 5 {
		t.Errorf("the second time: %+v", sum)
	}
	changed := strings.Replace(shop, "0644", "0600", 1)
	for i, query := range []string{"dryRun=All", "dryRun=All", "", ""} {
		_, sum, _ = r.applies(query, changed)
		configured := 1
		if i == 3 {
			configured = 0
		}
		if sum.Configured != configured || sum.Unchanged != 5-configured || sum.DryRun != (query != "") {
			t.Errorf("%d, %s: %+v", i, query, sum)
		}
	}
}

// TestApplyDryRun stores nothing, and says what it cannot know.
func TestApplyDryRun(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	actions, sum, results := r.applies("dryRun=All", shop)
	if sum.Created != 4 || sum.Failed != 1 || actions["Widget/w"] != "failed" || len(k.paths()) != 0 {
		t.Errorf("%+v, %v, %v", sum, actions, k.paths())
	}
	for _, res := range results {
		if p := res.Problem; p != nil && (p.Code != answer.UnknownKind.Code || !strings.Contains(p.Detail, "a dry run does not create the definition") || p.Cluster != "prod") {
			t.Errorf("%+v", p)
		}
	}
}

// TestApplyFailsForOneObject: others are applied, and nothing is pruned.
func TestApplyFailsForOneObject(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	body := `
{apiVersion: v1, kind: ConfigMap, metadata: {name: good, labels: {app: a}}}
---
{apiVersion: v1, kind: ConfigMap, fail: true, metadata: {name: conflict, labels: {app: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x, namespace: why, labels: {app: a}}}
---
{apiVersion: v1, kind: Evil, metadata: {name: x, labels: {app: a}}}
---
{apiVersion: none.example/v1, kind: Absent, metadata: {name: x, labels: {app: a}}}
`
	actions, sum, results := r.applies("prune=app%3Da&namespace=team", body)
	if sum.Created != 1 || sum.Failed != 4 || actions["ConfigMap/good"] != "created" || sum.NotPruned == "" {
		t.Errorf("%+v, %v", sum, actions)
	}
	if got := k.paths(); !slices.Equal(got, []string{"/api/v1/namespaces/team/configmaps/good"}) {
		t.Errorf("there is %v", got)
	}
	codes := map[string]string{}
	for _, res := range results {
		if res.Problem != nil {
			codes[res.Object.Kind] = fmt.Sprint(res.Status, " ", res.Problem.Code)
		}
	}
	if want := "map[Absent:0 unknown-kind ConfigMap:409 api-server-rejected Evil:0 unknown-kind Namespace:0 bad-request]"; fmt.Sprint(codes) != want {
		t.Errorf("%v", codes)
	}
}

// TestApplyPrunes only what has the label and was applied by the same manager.
func TestApplyPrunes(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	config := func(name, namespace, app string) string {
		return fmt.Sprintf("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: %s, labels: {app: %s}}}\n", name, namespace, app)
	}
	deployment := "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: shop}}}\n"
	namespace := "---\n{apiVersion: v1, kind: Namespace, metadata: {name: old, labels: {app: shop}}}\n"
	r.applies("fieldManager=ci", config("keep", "shop", "shop")+config("old", "shop", "shop")+config("elsewhere", "far", "shop")+config("foreign", "shop", "other")+deployment+namespace)
	r.applies("fieldManager=someone", config("theirs", "shop", "shop"))
	k.mu.Lock()
	owned := map[string]any{"metadata": map[string]any{"name": "owned", "uid": "u", "labels": map[string]any{"app": "shop"}, "ownerReferences": []any{map[string]any{}},
		"managedFields": []any{map[string]any{"manager": "ci", "operation": "Apply"}}}}
	k.objects["/api/v1/namespaces/shop/configmaps/owned"] = owned
	k.mu.Unlock()
	all := k.paths()
	for _, step := range []struct {
		query string
		gone  []string // of the paths, by their last segment
	}{
		{"dryRun=All", nil},
		{"", []string{"old"}},
		{"&pruneNamespace=far&pruneKind=apps/v1/Deployment", []string{"elsewhere", "web"}},
		{"&pruneKind=v1/Namespace", []string{"namespaces/old"}},
	} {
		before := k.paths()
		actions, sum, _ := r.applies("fieldManager=ci&prune=app%3Dshop&"+step.query, config("keep", "shop", "shop"))
		gone := 0
		for _, path := range before {
			left := slices.Contains(k.paths(), path)
			want := !slices.ContainsFunc(step.gone, func(s string) bool {
				return strings.HasSuffix(path, "/"+s) && (strings.Contains(s, "/") || !strings.HasSuffix(path, "namespaces/"+s))
			})
			if left != want {
				t.Errorf("%q: %s is left: %v", step.query, path, left)
			}
			if !left {
				gone++
			}
		}
		if sum.Failed != 0 || sum.Unchanged != 1 || sum.Pruned != max(gone, len(step.gone)) && step.query != "dryRun=All" {
			t.Errorf("%q: %+v %v", step.query, sum, actions)
		}
		if step.query == "dryRun=All" && (sum.Pruned != 1 || actions["ConfigMap/old"] != "pruned" || !slices.Equal(k.paths(), all)) {
			t.Errorf("dry run: %+v %v", sum, actions)
		}
	}
}

// TestApplyRefuses what it does not understand, before anything is executed.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	const good = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{"app":"a"}}}`
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for _, c := range []struct{ query, body, want string }{
		{"", "", "no objects"},
		{"", "---\n# x\n---\nnull\n", "no objects"},
		{"", good + "\n---\n" + good, "more than once"},
		{"namespace=d", good + "\n---\n" + strings.Replace(good, `"c"`, `"c","namespace":"d"`, 1), "more than once"},
		{"", "a: b", "apiVersion or kind is missing"},
		{"", "[1]", "not an object"},
		{"", "a: &a [*a]", "nested"},
		{"", bomb, "with its aliases"},
		{"", strings.Repeat("[", 500) + strings.Repeat("]", 500), "nested"},
		{"", strings.Repeat("- ", 500) + "x", "nested"},
		{"", "a: 1\na: 2", "already"},
		{"", "a: b\n--- c\n", "line of its own"},
		{"", good + "\n" + strings.Repeat("x", 4<<20), "3145728 bytes"},
		{"", strings.Replace(good, `"c"`, `".."`, 1), "cannot be part of a path"},
		{"", strings.Replace(good, `"c"`, `"a/b"`, 1), "cannot be part of a path"},
		{"", strings.Replace(good, `"c"`, `"c","namespace":"../x"`, 1), "not a name of a namespace"},
		{"", strings.Replace(good, `"v1"`, `"../v1"`, 1), "not a group and a version"},
		{"", strings.Replace(good, `"name":"c"`, `"generateName":"c-"`, 1), "generateName"},
		{"", strings.Repeat(good, 2001), "more than 2000 objects"},
		{"x=1", good, "unknown parameter"},
		{"dryrun=All", good, "did you mean dryRun?"},
		{"dryRun=true", good, "want All"},
		{"force=maybe", good, "force"},
		{"prune=", good, "want a selector with a label"},
		{"prune=app!%3Da", good, "want a selector with a label"},
		{"prune=app%3Db", good, "does not have the labels"},
		{"pruneKind=v1/ConfigMap", good, "need prune"},
		{"prune=app&pruneKind=ConfigMap", good, "not of the form"},
		{"timeout=1h", good, "at most 30m"},
		{"namespace=..", good, "namespace"},
	} {
		res, body := r.do(r.h2, r.request("POST", "/v1/clusters/prod/apply?"+c.query, strings.NewReader(c.body)))
		wantFailure(t, res, body, answer.BadRequest)
		if !strings.Contains(decode[api.Problem](t, body).Detail, c.want) {
			t.Errorf("%s %.60s: %s, want %q in it", c.query, c.body, body, c.want)
		}
	}
	res, body := r.do(r.h2, r.request("POST", "/v1/clusters/prod/apply", strings.NewReader(strings.Repeat("#", 9<<20))))
	wantFailure(t, res, body, answer.BodyTooLarge)
	if len(k.requests) > 0 {
		t.Errorf("the cluster got %v", k.requests)
	}
}

// TestApplyOfAnAbsentCluster fails with a status.
func TestApplyOfAnAbsentCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	res, body := r.do(r.h2, r.request("POST", "/v1/clusters/prod/apply", strings.NewReader(shop)))
	wantFailure(t, res, body, answer.NeverConnected)
}

// TestApplyIsAuditedByRequest: each request of the cluster has an event with the same
// caller, and its own id.
func TestApplyIsAuditedByRequest(t *testing.T) {
	t.Parallel()
	r, trail := auditRig(t, audit.Config{}, rigOptions{})
	k := newFakeKube()
	r.agent("default", "prod", k.serve)
	r.applies("", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`)
	r.eventually("the events are written", func() bool { return strings.Contains(trail.text(), "/v1/clusters/prod/apply") })
	var got []string
	var parent string
	for _, e := range trail.events(t) {
		if e.Data.User == nil || e.Data.User.Username == "" {
			t.Errorf("no caller: %+v", e)
		}
		if e.Data.ObjectRef == nil {
			got, parent = append(got, fmt.Sprint(e.Data.Verb, " ", e.Data.Path)), e.Data.RequestID
			continue
		}
		got = append(got, fmt.Sprint(e.Data.Verb, " ", e.Data.ObjectRef.Resource, " ", e.Data.ObjectRef.Name, " ", e.Data.ResponseStatus.Code))
		if e.Data.Grant == "" && e.Data.Cluster != "prod" || e.Data.SentBytes == 0 {
			t.Errorf("%+v", e.Data)
		}
	}
	want := []string{"get /api/v1", "get configmaps c 404", "patch configmaps c 201", "post /v1/clusters/prod/apply"}
	for _, w := range want {
		if !slices.Contains(got, w) && w != "get /api/v1" {
			t.Errorf("no event %q in %v", w, got)
		}
	}
	if parent == "" || !strings.Contains(trail.text(), `"requestID":"`+parent+`.2"`) {
		t.Errorf("ids are not those of %s: %s", parent, trail.text())
	}
}

// TestApplyWaitsForLimits of the bridge and of the cluster, and repeats what a lost agent
// left open.
func TestApplyWaitsForLimits(t *testing.T) {
	t.Parallel()
	l := limit.New().With(&limit.Config{Caller: limit.Limits{RequestsPerSecond: 2, Burst: 2}})
	r, k := applyRig(t, rigOptions{config: func(cfg *Config) { cfg.Limiter = l }})
	var patches atomic.Int32
	k.hook = func(head *subjects.RequestHead, s *stream.Stream) bool {
		if head.Method != "PATCH" {
			return false
		}
		switch patches.Add(1) {
		case 1:
			reply(s, 429, "{}", "Retry-After", "1")
		case 2:
			s.Reset(subjects.CodeUpstream, "connection reset")
		default:
			return false
		}
		return true
	}
	_, sum, results := r.applies("", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`)
	if sum.Created != 1 || sum.Failed != 0 || patches.Load() != 3 {
		t.Errorf("%+v, %v", sum, text(results))
	}
}

// TestApplyOfAHostileCluster: a list that a cluster makes up deletes nothing that it should
// not, and is not kept whole.
func TestApplyOfAHostileCluster(t *testing.T) {
	t.Parallel()
	item := func(name, uid, app, manager string) string {
		return fmt.Sprintf(`{"metadata":{"name":%q,"uid":%q,"labels":{"app":%q},"managedFields":[{"manager":%q,"operation":"Apply"}]}}`, name, uid, app, manager)
	}
	for what, c := range map[string]struct {
		list    string
		deleted []string
		failed  int
	}{
		"names and labels": {strings.Join([]string{item("..", "1", "a", "ci"), item("a/b", "2", "a", "ci"), item("", "3", "a", "ci"), item("none", "", "a", "ci"), item("c", "made again", "a", "ci"),
			item("other", "4", "b", "ci"), item("theirs", "5", "a", "x"), "null", item("old", "6", "a", "ci")}, ","), []string{"/api/v1/namespaces/default/configmaps/old"}, 0},
		"too many":   {strings.TrimSuffix(strings.Repeat(item("old", "6", "a", "ci")+",", 5001), ","), nil, 1},
		"not a list": {`[{`, nil, 1},
	} {
		t.Run(what, func(t *testing.T) {
			r, k := applyRig(t, rigOptions{})
			k.hook = func(head *subjects.RequestHead, s *stream.Stream) bool {
				list := strings.Contains(head.Target, "labelSelector")
				if list {
					reply(s, 200, `{"items":[`+c.list+`]}`, "Content-Type", "application/json")
				}
				return list
			}
			_, sum, _ := r.applies("fieldManager=ci&prune=app%3Da", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{"app":"a"}}}`)
			if deleted := k.made("DELETE"); !slices.Equal(deleted, c.deleted) || sum.Failed != c.failed {
				t.Errorf("deleted %v, %+v", deleted, sum)
			}
		})
	}
}

// manyConfigMaps is a body.
func manyConfigMaps(n int) string {
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c%d"}}`, i)
	}
	return body.String()
}

// TestApplyEndsWithItsTime, and every object has a result.
func TestApplyEndsWithItsTime(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	k.hook = func(head *subjects.RequestHead, s *stream.Stream) bool {
		if head.Method == "PATCH" {
			<-s.Context().Done()
		}
		return head.Method == "PATCH"
	}
	_, sum, results := r.applies("timeout=1s", manyConfigMaps(20))
	if sum.Failed != 20 || len(results) != 20 {
		t.Errorf("%+v, %d results", sum, len(results))
	}
	for _, res := range results {
		if p := res.Problem; p.Code != answer.TimedOut.Code || p.TimeLimit == nil {
			t.Errorf("%s", text(res))
		}
	}
}

// TestApplyGivesUp where every other request would fail too, and every object has a result.
func TestApplyGivesUp(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	k.hook = func(head *subjects.RequestHead, s *stream.Stream) bool {
		if head.Method == "PATCH" {
			s.Reset(subjects.CodeUnauthorized, "401")
		}
		return head.Method == "PATCH"
	}
	_, sum, results := r.applies("", manyConfigMaps(20))
	late := 0
	for _, res := range results {
		if strings.Contains(res.Problem.Detail, "not attempted, since") {
			late++
		}
	}
	if sum.Failed != 20 || late < 12 {
		t.Errorf("%+v, %d were not attempted", sum, late)
	}
}

// TestApplyEndsWithItsClient, whose connection it is.
func TestApplyEndsWithItsClient(t *testing.T) {
	t.Parallel()
	r, k := applyRig(t, rigOptions{})
	stuck := make(chan *stream.Stream, 1)
	k.hook = func(head *subjects.RequestHead, s *stream.Stream) bool {
		if head.Method == "PATCH" {
			stuck <- s
			<-s.Context().Done()
		}
		return head.Method == "PATCH"
	}
	req := r.request("POST", "/v1/clusters/prod/apply", strings.NewReader(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`))
	req.Header.Set("Content-Type", "application/json")
	res, err := r.h1.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	s := <-stuck
	_ = res.Body.Close()
	<-s.Context().Done()
	r.eventually("the request has ended", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
}

// TestApplyHasAHopForEachRequest, inside the span of the apply.
func TestApplyHasAHopForEachRequest(t *testing.T) {
	r, c := tracedRig(t, rigOptions{})
	k := newFakeKube()
	r.agent("default", "prod", k.serve)
	req := named(r.request("POST", "/v1/clusters/prod/apply", strings.NewReader(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`)), "apply")
	req.Header.Set("Content-Type", "application/json")
	if res, body := r.do(r.h2, req); res.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	of := func(id string) tracingtest.Span {
		return c.Wait(t, id, func(s tracingtest.Span) bool { return s.Attributes["fairlead.request.id"] == id })
	}
	whole := of("apply")
	for _, id := range []string{"apply.1", "apply.2", "apply.3"} {
		if hop := of(id); hop.Kind != "CLIENT" || hop.Trace != whole.Trace || hop.Parent != whole.ID {
			t.Errorf("%s: %+v, in %+v", id, hop, whole)
		}
	}
}
