package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// jobs is a Fairlead that takes the ID tokens of CI jobs.
type jobs struct {
	*guarded
}

// newJobs starts a Fairlead whose access file lets the jobs of project acme/shop act
// as a user of the cluster, who may see and make pods in the test's namespace.
func newJobs(sp *space) *jobs {
	sp.t.Helper()
	j := &jobs{guarded: newGuarded(sp)}
	j.write("acme/shop")
	j.start(harness.SystemOptions{})
	sp.allow("Group", "ci:"+sp.name, rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"pods", "configmaps", "pods/log", "pods/exec", "pods/attach"}, Verbs: []string{"*"},
	})
	return j
}

// write writes the access file in one step; project is the one whose jobs are let in.
func (j *jobs) write(project string) {
	j.sp.t.Helper()
	content := fmt.Sprintf(`authentication:
  oidc:
    - name: gitlab
      issuer: %s
      audiences: [https://fairlead.test]
      certificateAuthority: %s
      clockSkew: 1s
      username: '"gitlab:" + claims.project_path'
      groups: '["gitlab:" + claims.namespace_path]'
grants:
  - name: shop-jobs
    clusters: ["prod.acme"]
    when:
      - caller.issuer == "gitlab"
      - claims.project_path == %q && claims.ref_protected == "true"
    as:
      user: caller.name
      groups: '["ci:%s"] + caller.groups'
`, j.issuer.URL(), j.issuer.CAFile(), project, j.sp.name)
	j.replace(content)
}

// token is an ID token as GitLab gives one to a job, with further claims.
func (j *jobs) token(claims map[string]any) string {
	j.sp.t.Helper()
	all := map[string]any{
		"aud": "https://fairlead.test", "sub": "project_path:acme/shop:ref_type:branch:ref:main",
		"project_path": "acme/shop", "namespace_path": "acme", "ref": "main", "ref_protected": "true", "job_id": "4711",
	}
	for k, v := range claims {
		all[k] = v
	}
	return j.mint(all)
}

// TestCIJob: a CI job's ID token is all that it needs. It acts as the user that the
// grant makes of its claims, and Kubernetes' RBAC decides; other projects are refused.
func TestCIJob(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	j := newJobs(sp)
	job := j.side("job", j.token(nil))

	who := sp.must(sp.on(job, "auth", "whoami"))
	for _, want := range []string{"gitlab:acme/shop", "ci:" + sp.name, "gitlab:acme", "system:authenticated"} {
		if !strings.Contains(who, want) {
			t.Errorf("kubectl auth whoami lacks %q:\n%s", want, who)
		}
	}
	sp.must(sp.on(job, "create", "configmap", "made-by-job", "--from-literal=a=b"))
	if got := sp.must(sp.on(job, "get", "configmaps", "-o", "name")); !strings.Contains(got, "made-by-job") {
		t.Errorf("get: %s", got)
	}
	// Kubernetes decides what the user may do.
	if got := sp.must(sp.on(job, "auth", "can-i", "create", "pods")); strings.TrimSpace(got) != "yes" {
		t.Errorf("can-i create pods: %s", got)
	}
	r := sp.do(sp.on(job, "get", "secrets"))
	if r.code == 0 || !strings.Contains(r.stderr, `User "gitlab:acme/shop" cannot list resource "secrets"`) {
		t.Errorf("get secrets: exit code %d, %s", r.code, r.stderr)
	}

	for name, tt := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"another project":       {map[string]any{"project_path": "evil/shop"}, "grant"},
		"an unprotected branch": {map[string]any{"ref_protected": "false"}, "grant"},
		"another audience":      {map[string]any{"aud": "https://other.test"}, "audience"},
		"an expired token":      {map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, "expired"},
	} {
		r := sp.do(sp.on(j.side("other", j.token(tt.claims)), "get", "configmaps"))
		if r.code == 0 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q, want the reason %q", name, r.code, r.stderr, tt.want)
		}
	}
	if r := sp.do(sp.on(job, "get", "configmaps", "--as", "root")); r.code == 0 || !strings.Contains(r.stderr, "may not act as user") {
		t.Errorf("--as: exit code %d, %s", r.code, r.stderr)
	}
}

// TestCIJobEnds: what a job has running ends with its token, and with its grant, and
// kubectl says why.
func TestCIJobEnds(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	j := newJobs(sp)
	sp.configMap("seen", nil)
	const lives = 40 * time.Second // within which kubectl has begun to watch, on a busy machine too
	short := j.side("short", j.token(map[string]any{"exp": time.Now().Add(lives).Unix()}))
	long := j.side("long", j.token(nil))
	expires := sp.start(sp.on(short, "get", "configmaps", "-w"))
	withdrawn := sp.start(sp.on(long, "get", "configmaps", "-w"))
	expires.expect("seen")
	withdrawn.expect("seen")

	expires.wait(lives + 10*time.Second)
	if text := expires.stdout.String() + expires.stderr.String(); !strings.Contains(text, "expired") {
		t.Errorf("a watch whose token expired: %q", text)
	}
	sp.configMap("later", nil)
	withdrawn.expect("later")
	began := time.Now()
	j.write("acme/other")
	withdrawn.wait(10 * time.Second)
	t.Logf("ended %s after the file was written", time.Since(began))
	if text := withdrawn.stdout.String() + withdrawn.stderr.String(); !strings.Contains(text, "grant") {
		t.Errorf("a watch whose grant was withdrawn: %q", text)
	}
}
