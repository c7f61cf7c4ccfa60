package bridge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/audit/audittest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

const (
	queueOnProd = "/v1/clusters/prod/operations"
	devsApply   = `- {name: devs, clusters: [prod], when: ['"devs" in caller.groups'], as: {user: caller.name},
  requests: [{verbs: [patch], apiGroups: [""], resources: [configmaps], namespaces: [default]}]}
`
	operators = `- name: operators
  clusters: [prod]
  when: ['"operators" in caller.groups']
  as: {user: caller.name}
  requests:
  - {verbs: [get, list], apiGroups: [platform.fairlead.io], resources: [operations]}
  - {verbs: [update], apiGroups: [platform.fairlead.io], resources: [operations/cancel]}
`
)

// granting is a bridge with a store whose grants a test changes, and its audit events.
type granting struct {
	*queueing
	file   *accessFile
	issuer *issuer.Issuer
	head   string // of each version of the file
	trail  *trail
	n      int // versions so far
}

// newGranting starts one with grants. head is what the file has besides.
func newGranting(t *testing.T, head, grants string) *granting {
	t.Helper()
	g := &granting{issuer: issuer.ForTest(t)}
	g.head = g.issuer.Section("idp") + head
	g.file = newAccessFile(t, g.head+"grants:\n"+grants)
	o := rigOptions{config: g.file.configure}
	g.trail = auditInMemory(t, audit.Config{}, &o)
	g.queueing = newQueueing(t, storetest.Start(t, 1), o)
	return g
}

// person is the token of one, who is in a group.
func (g *granting) person(name, group string) string { return g.issuer.Token(g.t, name, group) }

// change replaces the grants, and waits until they are in use.
func (g *granting) change(grants string) {
	g.t.Helper()
	g.n++
	marker := fmt.Sprintf("marker-%d", g.n)
	g.file.write(g.head + "grants:\n" + grants + fmt.Sprintf("- {name: %[1]s, clusters: [%[1]s], when: ['caller.name == \"%[1]s\"'], as: {user: caller.name}}\n", marker))
	token := g.person(marker, "none")
	g.eventually("the file is in use", func() bool {
		res, _ := g.call(token, "GET", "/v1/clusters/"+marker+"/operations", "", "")
		return res.StatusCode == http.StatusOK
	})
}

// queueAs queues an operation that must be accepted.
func (g *granting) queueAs(token, key, body string) api.Operation {
	g.t.Helper()
	res, text := g.call(token, "POST", queueOnProd, key, body)
	if res.StatusCode != http.StatusAccepted {
		g.t.Fatalf("%d %s", res.StatusCode, text)
	}
	return operationOf(g.t, text)
}

// TestOperationsOfOthers: who made an operation sees and cancels it. Others who may know
// of the cluster do not, unless a grant for the platform's own resource says so.
func TestOperationsOfOthers(t *testing.T) {
	t.Parallel()
	g := newGranting(t, "", devsApply+operators)
	jane, joe, ops := g.person("jane", "devs"), g.person("joe", "devs"), g.person("olga", "operators")
	o := g.queueAs(jane, "k", applyOf("c", "1"))
	of := queueOnProd + "/" + o.ID
	if o.Caller != "jane" || o.As != "jane" || o.Grant != "devs" {
		t.Errorf("%+v", o)
	}
	if other := g.queueAs(joe, "k", applyOf("c", "1")); other.ID == o.ID {
		t.Error("the key of one caller finds the operation of another")
	}
	for token, want := range map[string]struct{ get, cancel, listed int }{
		joe: {http.StatusForbidden, http.StatusForbidden, 1}, ops: {http.StatusOK, http.StatusOK, 2}, jane: {http.StatusOK, http.StatusOK, 1},
		g.person("eve", "none"): {http.StatusForbidden, http.StatusForbidden, -1},
	} {
		if res, text := g.call(token, "GET", of, "", ""); res.StatusCode != want.get {
			t.Errorf("get: %d %s", res.StatusCode, text)
		}
		res, text := g.call(token, "GET", queueOnProd, "", "")
		if want.listed < 0 {
			wantFailure(t, res, text, answer.Forbidden)
		} else if n := len(decode[api.OperationList](t, text).Operations); n != want.listed {
			t.Errorf("%d are listed, want %d: %s", n, want.listed, text)
		}
		if want.cancel == http.StatusForbidden {
			if res, text := g.call(token, "POST", of+"/cancel", "", ""); res.StatusCode != want.cancel {
				t.Errorf("cancel: %d %s", res.StatusCode, text)
			}
		}
	}
	for _, id := range []string{"0123456789abcdefghijklmn", "x", strings.Repeat("0", 300)} {
		if res, text := g.call(jane, "GET", queueOnProd+"/"+id, "", ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", id, res.StatusCode, text)
		}
	}
	if res, text := g.call(ops, "POST", of+"/cancel", "", ""); res.StatusCode != http.StatusOK || operationOf(t, text).CanceledBy != "olga" {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// TestOperationIsDecidedAgain: what was let in when it was queued is executed only if
// today's grants let the same request in, as the same user.
func TestOperationIsDecidedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		grants       string // when it is executed
		state        api.OperationState
		code, detail string
	}{
		"the same grants":    {devsApply, api.OperationSucceeded, "", ""},
		"another one's name": {strings.Replace(devsApply, "name: devs", "name: developers", 1), api.OperationSucceeded, "", ""},
		"no grant":           {operators, api.OperationFailed, "forbidden", ""},
		"other namespaces":   {strings.Replace(devsApply, "[default]", "[other]", 1), api.OperationFailed, "forbidden", ""},
		"another cluster":    {strings.Replace(devsApply, "[prod]", "[dev]", 1), api.OperationFailed, "forbidden", ""},
		"as another user":    {strings.Replace(devsApply, "caller.name}", "'\"x:\" + caller.name'}", 1), api.OperationFailed, "forbidden", "another user"},
		"with another group": {strings.Replace(devsApply, "caller.name}", "caller.name, groups: '[\"admins\"]'}", 1), api.OperationFailed, "forbidden", "another user"},
		"needs an approval":  {strings.Replace(devsApply, "when:", "requires: approval, when:", 1), api.OperationFailed, "approval-required", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGranting(t, "approvals: {file: "+t.TempDir()+"/approvals.json}\n", devsApply)
			o := g.queueAs(g.person("jane", "devs"), "k", applyOf("c", "1"))
			g.change(tt.grants)
			server := &objectServer{}
			g.agent("default", "prod", server.handle)
			g.eventually("it has ended", func() bool {
				_, text := g.call(g.token, "GET", queueOnProd+"/"+o.ID, "", "")
				o = operationOf(t, text)
				return o.State == tt.state
			})
			switch {
			case tt.state == api.OperationSucceeded:
				if seen := server.requests(); len(seen) != 1 || seen[0].user != "jane" {
					t.Errorf("%+v", seen)
				}
			case o.Problem == nil || o.Problem.Code != tt.code || !strings.Contains(o.Problem.Detail, tt.detail):
				t.Errorf("%+v", o.Problem)
			case len(server.requests()) != 0:
				t.Error("it was executed")
			}
		})
	}
}

// TestApprovalOfAnOperation: what was queued under an approval is executed while the
// approval lasts, and not once it has ended.
func TestApprovalOfAnOperation(t *testing.T) {
	t.Parallel()
	g := newGranting(t, "approvals: {file: "+t.TempDir()+"/approvals.json}\n",
		strings.Replace(devsApply, "when:", "requires: approval, when:", 1)+"- {name: leads, clusters: [prod], when: ['\"leads\" in caller.groups'], approves: [devs]}\n")
	jane, lead := g.person("jane", "devs"), g.person("lead", "leads")
	res, text := g.call(jane, "POST", queueOnProd, "early", applyOf("c", "1"))
	wantFailure(t, res, text, answer.ApprovalRequired)
	if res, text = g.call(jane, "POST", "/v1/access-requests", "", `{"cluster":"prod","grant":"devs","reason":"INC-1"}`); res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	asked := "/v1/access-requests/" + decode[api.AccessRequest](t, text).ID
	if res, text = g.call(lead, "POST", asked+"/approve", "", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	g.queueAs(jane, "first", applyOf("c", "1"))
	second := g.queueAs(jane, "second", applyOf("d", "1"))
	server := &objectServer{answer: func(int, taken) (int, string) { // the approval ends while the first is executed
		if res, text := g.call(lead, "POST", asked+"/end", "", ""); res.StatusCode != http.StatusOK {
			t.Errorf("%d %s", res.StatusCode, text)
		}
		return 200, "{}"
	}}
	g.agent("default", "prod", server.handle)
	if o := g.ends("prod", second.ID, api.OperationFailed); o.Problem == nil || o.Problem.Code != "approval-required" {
		t.Errorf("%+v", o.Problem)
	}
	if seen := server.requests(); len(seen) != 1 || seen[0].user != "jane" {
		t.Errorf("%+v", seen)
	}
}

// TestAuditOfOperations: who has queued an operation has an event, and its execution has
// one that names the same caller, grant and user, and the request that queued it.
func TestAuditOfOperations(t *testing.T) {
	t.Parallel()
	g := newGranting(t, "", devsApply+operators)
	jane, olga := g.person("jane", "devs"), g.person("olga", "operators")
	post := g.request("POST", queueOnProd, strings.NewReader(applyOf("c", "1")))
	post.Header.Set("Authorization", "Bearer "+jane)
	post.Header.Set("Idempotency-Key", "k")
	res, text := g.do(g.h1, named(post, "queued"))
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	o := operationOf(t, text)
	other := g.queueAs(jane, "other", applyOf("d", "1"))
	cancel := g.request("POST", queueOnProd+"/"+other.ID+"/cancel", nil)
	cancel.Header.Set("Authorization", "Bearer "+olga)
	g.do(g.h1, named(cancel, "canceled"))
	g.agent("default", "prod", (&objectServer{}).handle)
	g.ends("prod", o.ID, api.OperationSucceeded)
	queued, executed := g.eventOf(t, g.trail, "queued", "ResponseComplete"), g.eventOf(t, g.trail, "operation-"+o.ID+".1", "ResponseComplete")
	for name, d := range map[string]audittest.Data{"queued": queued, "executed": executed} {
		if d.User.Username != "jane" || d.Grant != "devs" || d.ImpersonatedUser == nil || d.ImpersonatedUser.Username != "jane" || d.Cluster != "prod" || d.Verb != "patch" ||
			d.ObjectRef == nil || d.ObjectRef.Name != "c" || d.Annotations["fairlead.io/operation"] != o.ID || d.Authentication.Issuer != "idp" {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if executed.Annotations["fairlead.io/operation-request"] != "queued" || executed.ResponseStatus.Code != 200 || executed.Instance == "" || queued.Instance != "" || queued.ResponseStatus.Code != 202 {
		t.Errorf("queued: %+v\nexecuted: %+v", queued, executed)
	}
	if d := g.eventOf(t, g.trail, "canceled", "ResponseComplete"); d.User.Username != "olga" || d.Annotations["fairlead.io/operation"] != other.ID || d.Annotations["fairlead.io/operation-state"] != "canceled" {
		t.Errorf("canceled: %+v", d)
	}
}
