package grant

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// given are approvals by the names of caller and grant.
type given map[[2]string]context.Context

func (g given) Active(c *access.Caller, name string, _ subjects.ClusterRef) (context.Context, error) {
	return g[[2]string{c.Name, name}], nil
}

const approvalGrants = `
grants:
- name: admin
  clusters: [prod]
  when: ['"devs" in caller.groups']
  requires: approval
  maxDuration: 2h
  as: {user: '"admin:" + caller.name'}
- name: reader
  clusters: [prod]
  when: ['"devs" in caller.groups']
  requests: [{verbs: [get, list], resources: [pods]}]
  as: {user: caller.name}
- name: leads
  clusters: [prod]
  when: ['"leads" in caller.groups']
  approves: [admin]
`

func approvalsOf(t *testing.T, a Approvals) *Grants {
	t.Helper()
	var c Config
	if err := strictyaml.Unmarshal([]byte(approvalGrants), &c); err != nil {
		t.Fatal(err)
	}
	c.Approvals = a
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

var prodOnly = subjects.ClusterRef{Tenant: "default", Cluster: "prod"}

func decision(t *testing.T, g *Grants, c *access.Caller, method, target string) (*access.Decision, *answer.Failure) {
	t.Helper()
	d, err := g.Authorize(t.Context(), c, &access.Request{Cluster: prodOnly, Method: method, Target: target})
	if err == nil {
		return d, nil
	}
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return nil, f
	}
	return nil, answer.Failf(answer.Forbidden, "%w", err)
}

// A grant that requires an approval lets nobody in without one; others go on to
// decide.
func TestGrantThatRequiresApproval(t *testing.T) {
	dev := &access.Caller{Name: "dev", Groups: []string{"devs"}}
	approvals := given{}
	g := approvalsOf(t, approvals)
	const pods, secrets = "/api/v1/namespaces/a/pods", "/api/v1/namespaces/a/secrets"
	if d, f := decision(t, g, dev, "GET", pods); f != nil || d.Grant != "reader" {
		t.Errorf("%+v, %v", d, f)
	}
	_, f := decision(t, g, dev, "GET", secrets)
	if f == nil || f.Kind != answer.ApprovalRequired || !strings.Contains(f.Detail, `"admin"`) || !strings.Contains(f.Detail, "2h0m0s") || !strings.Contains(f.Detail, "/v1/access-requests") {
		t.Errorf("without an approval: %v", f)
	}
	ctx, end := context.WithCancel(t.Context())
	approvals[[2]string{"dev", "admin"}] = ctx
	d, f := decision(t, g, dev, "GET", secrets)
	again, _ := decision(t, g, dev, "GET", pods)
	if f != nil || d.Grant != "admin" || d.As.User != "admin:dev" || again.Grant != "admin" {
		t.Fatalf("with an approval: %+v, %+v, %v", d, again, f)
	}
	if d.Valid != again.Valid {
		t.Error("each request adds a context to the approval")
	}
	if d.Valid.Err() != nil {
		t.Error("the decision has ended")
	}
	delete(approvals, [2]string{"dev", "admin"})
	end()
	select {
	case <-d.Valid.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the decision does not end with its approval")
	}
	if _, f := decision(t, g, dev, "GET", secrets); f == nil || f.Kind != answer.ApprovalRequired {
		t.Errorf("after the approval: %v", f)
	}
	// It ends with the grants, too.
	ctx, end = context.WithCancel(t.Context())
	defer end()
	approvals[[2]string{"dev", "admin"}] = ctx
	d, _ = decision(t, g, dev, "GET", secrets)
	g.Close()
	<-d.Valid.Done()
}

func TestWhoMayAskAndApprove(t *testing.T) {
	dev, lead := &access.Caller{Name: "dev", Groups: []string{"devs"}}, &access.Caller{Name: "lead", Groups: []string{"leads"}}
	g := approvalsOf(t, given{})
	ask := func(c *access.Caller, name string, ref subjects.ClusterRef) *answer.Failure {
		d, err := g.MayAsk(t.Context(), c, name, ref)
		if err == nil && d != 2*time.Hour {
			t.Errorf("%s: for %v", name, d)
		}
		f, _ := errors.AsType[*answer.Failure](err)
		return f
	}
	elsewhere := subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}
	if f := ask(dev, "admin", prodOnly); f != nil {
		t.Error(f)
	}
	for what, f := range map[string]*answer.Failure{
		"another cluster": ask(dev, "admin", elsewhere), "another caller": ask(lead, "admin", prodOnly), "no grant": ask(dev, "none", prodOnly),
	} {
		if f == nil || f.Kind != answer.Forbidden {
			t.Errorf("%s: %v", what, f)
		}
	}
	if f := ask(dev, "reader", prodOnly); f == nil || f.Kind != answer.BadRequest {
		t.Errorf("a grant that is open: %v", f)
	}
	for what, got := range map[string]bool{
		"the caller": g.MayApprove(t.Context(), dev, "admin", prodOnly), "another grant": g.MayApprove(t.Context(), lead, "reader", prodOnly),
		"another cluster": g.MayApprove(t.Context(), lead, "admin", elsewhere),
	} {
		if got {
			t.Errorf("%s may approve", what)
		}
	}
	if !g.MayApprove(t.Context(), lead, "admin", prodOnly) {
		t.Error("lead may not approve")
	}
	// To approve is not to use, nor to see the cluster.
	if _, f := decision(t, g, lead, "GET", "/api/v1/pods"); f == nil || g.Visible(lead, prodOnly) {
		t.Errorf("lead: %v", f)
	}
}

// Nobody's request is there when somebody approves: a grant with a condition on it
// approves nothing, even if one was made.
func TestConditionOnRequestApprovesNothing(t *testing.T) {
	for _, condition := range []string{
		`"leads" in caller.groups && request.namespace == "shop"`,
		`"leads" in caller.groups || request.isResource`,
		`request.namespace == "never"`,
	} {
		text := strings.Replace(approvalGrants, "  approves", "  - '"+condition+"'\n  approves", 1)
		text = strings.Replace(text, `['"leads" in caller.groups']`, "\n  - '\"leads\" in caller.groups'", 1)
		var c Config
		err := strictyaml.Unmarshal([]byte(text), &c)
		if err == nil || !strings.Contains(err.Error(), "line 18: grants[leads].when[1]: ") || !strings.Contains(err.Error(), "approves") {
			t.Errorf("%s: %v", condition, err)
		}
		c.Approvals = given{}
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "when[1]") {
			t.Errorf("%s: made of what has a fault: %v", condition, err)
		}
		g := approvalsOf(t, given{})
		p, err := Condition(condition).compile()
		if err != nil {
			t.Fatal(err)
		}
		g.grants[2].onRequest = append(g.grants[2].onRequest, p)
		if g.MayApprove(t.Context(), &access.Caller{Name: "lead", Groups: []string{"leads"}}, "admin", prodOnly) {
			t.Errorf("%s: approves", condition)
		}
	}
}

func TestFaultsOfApprovals(t *testing.T) {
	const good = "grants:\n- name: a\n  clusters: [prod]\n  when: ['caller.name == \"x\"']\n  requires: approval\n  as: {agent: true}\n" +
		"- name: b\n  clusters: [prod]\n  when: ['caller.name == \"y\"']\n  approves: [a]\n"
	for from, to := range map[string]struct{ text, want string }{
		"requires: approval":   {"requires: luck", `line 5: grants[a].requires: "luck" is not known; want approval`},
		"  requires":           {"  maxDuration: 1s\n  requires", "line 5: grants[a].maxDuration: 1s is not between 1m and 168h"},
		"requires: approval\n": {"maxDuration: 1h\n", "line 5: grants[a].maxDuration: it is that of an approval, which the grant does not require"},
		"approves: [a]":        {"approves: [c]", `line 10: grants[b].approves[0]: there is no grant "c"`},
		"[a]\n":                {"[b]\n", "does not require an approval"},
		"approves: [a]\n":      {"approves: [a]\n  record: true\n", "for approving alone"},
		"  approves: [a]":      {"", "line 7: grants[b].as: none given: say as whom requests are executed, by agent: true or by user"},
	} {
		var c Config
		err := strictyaml.Unmarshal([]byte(strings.Replace(good, from, to.text, 1)), &c)
		if err == nil || !strings.Contains(err.Error(), to.want) {
			t.Errorf("%q: %v, want %q", to.text, err, to.want)
		}
	}
	var c Config
	if err := strictyaml.Unmarshal([]byte(good), &c); err != nil {
		t.Fatal(err)
	}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "approvals.file") {
		t.Errorf("without a place for approvals: %v", err)
	}
}
