package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
)

// TestApproval: kubectl is refused with the way to ask, somebody else approves, kubectl
// works, and what runs ends with the approval.
func TestApproval(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	g := newGuarded(sp)
	g.replace("approvals: {file: " + g.dir + "/approvals.json}\n" + g.idTokens("fairlead") + "grants:\n" + discovery + `  - name: admin
    clusters: [prod.acme]
    when: ['"devs" in caller.groups']
    requires: approval
    maxDuration: 1h
    as: {user: caller.name, groups: '["` + sp.name + `:admins"]'}
  - name: leads
    clusters: [prod.acme]
    when: ['"leads" in caller.groups']
    approves: [admin]
`)
	g.start(harness.SystemOptions{})
	sp.allow("Group", sp.name+":admins", rule("*", "pods", "pods/exec", "configmaps"))
	sp.pod("box", idle, "")
	sp.configMap("seen", nil)
	from := sp.auditNow()
	alice, bob, carol := g.person("alice", "devs"), g.person("bob", "leads"), g.person("carol", "devs")

	refused := func(s side) {
		t.Helper()
		r := sp.do(sp.on(s, "exec", "box", "--", "true"))
		for _, want := range []string{"grant \"admin\"", "approv", "/v1/access-requests"} {
			if r.code == 0 || !strings.Contains(r.stderr, want) {
				t.Errorf("kubectl exec without an approval: exit code %d, %q lacks %q", r.code, r.stderr, want)
			}
		}
	}
	approved := func() (id string) {
		t.Helper()
		asked := g.asks(alice, "admin")
		refused(alice)
		path := "/v1/access-requests/" + asked
		var decided api.AccessRequest
		if status := g.api(alice, "POST", path+"/approve", api.AccessDecision{}, &decided); status != http.StatusForbidden {
			t.Errorf("alice approves her own request: %d", status)
		}
		g.approves(bob, asked)
		return asked
	}

	refused(alice)
	approvedFrom := time.Now()
	id := approved()
	session := sp.start(sp.on(alice, "exec", "-i", "box", "--", "sh", "-c", "while read l; do echo got $l; done"))
	session.say("one\n")
	session.expect("got one\n")
	watch := sp.start(sp.on(alice, "get", "configmaps", "-w"))
	watch.expect("seen")
	refused(carol) // whose grant it is too
	if r := sp.do(sp.on(bob, "get", "configmaps")); r.code == 0 || strings.Contains(r.stderr, "RBAC") {
		t.Errorf("bob, who may approve alone, gets config maps: exit code %d, %s", r.code, r.stderr)
	}
	session.say("two\n")
	session.expect("got two\n")
	g.endsApproval(bob, id)
	watch.ends(10*time.Second, "approv")
	if code := session.wait(10 * time.Second); code == 0 {
		t.Errorf("the session ended with exit code 0, as if its command had: %s", session.stderr)
	}
	t.Logf("kubectl exec said: %s", session.stderr)
	refused(alice)

	for _, e := range sp.mustAudit(from, "/exec", func(e auditEvent) bool { return e.authorized() && strings.Contains(e.RequestURI, sp.name) }) {
		if e.ImpersonatedUser == nil || e.ImpersonatedUser.Username != sp.name+":alice" {
			t.Errorf("the API server saw %s as %v", e.RequestURI, e.ImpersonatedUser)
		}
		if at := e.StageTimestamp; e.Stage == responseStarted && at.Before(approvedFrom) {
			t.Errorf("a session began at %s, before the approval at %s", at, approvedFrom)
		}
	}
}

// asks asks for access under a grant.
func (g *guarded) asks(s side, grant string) (id string) {
	g.sp.t.Helper()
	var asked api.AccessRequest
	spec := api.AccessRequestSpec{Cluster: g.system.Ref(), Grant: grant, Reason: "INC-42: the queue is stuck", Duration: "1h"}
	if status := g.api(s, "POST", "/v1/access-requests", spec, &asked); status != http.StatusCreated || asked.State != "pending" {
		g.sp.t.Fatalf("ask: %d, %+v", status, asked)
	}
	return asked.ID
}

// approves approves an access request.
func (g *guarded) approves(s side, id string) {
	g.sp.t.Helper()
	var decided api.AccessRequest
	status := g.api(s, "POST", "/v1/access-requests/"+id+"/approve", api.AccessDecision{Note: "go on"}, &decided)
	if status != http.StatusOK || decided.State != "approved" {
		g.sp.t.Fatalf("approve: %d, %+v", status, decided)
	}
}

// endsApproval ends an approval early.
func (g *guarded) endsApproval(s side, id string) {
	g.sp.t.Helper()
	var ended api.AccessRequest
	if status := g.api(s, "POST", "/v1/access-requests/"+id+"/end", struct{}{}, &ended); status != http.StatusOK {
		g.sp.t.Fatalf("end: %d, %+v", status, ended)
	}
}
