package oidc

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	idp "github.com/fairlead-io/fairlead/test/harness/issuer"
)

// gitlabClaims are those of a GitLab job's id_tokens, as GitLab documents them; iss,
// aud and the times are added by the issuer.
var gitlabClaims = map[string]any{
	"namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/shop",
	"user_id": "1", "user_login": "sidney", "user_email": "sidney@example.com", "user_access_level": "owner",
	"user_identities": []any{map[string]any{"provider": "github", "extern_uid": "2435223452345"}},
	"pipeline_id":     "574", "pipeline_source": "push", "job_id": "302", "job_project_id": "20", "job_project_path": "acme/shop",
	"job_namespace_id": "72", "job_namespace_path": "acme",
	"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
	"groups_direct": []string{"acme/ops", "acme/dev"},
	"environment":   "production", "environment_protected": "true", "deployment_tier": "production", "environment_action": "start",
	"runner_id": 1, "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
	"project_visibility": "private", "ci_config_ref_uri": "gitlab.example.com/acme/shop//.gitlab-ci.yml@refs/heads/main",
	"ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
	"jti":           "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "sub": "project_path:acme/shop:ref_type:branch:ref:main",
}

// githubClaims are those of a GitHub Actions job, as GitHub documents them.
var githubClaims = map[string]any{
	"jti": "example-id", "sub": "repo:acme/shop:environment:production", "environment": "production",
	"ref": "refs/heads/main", "sha": "example-sha", "repository": "acme/shop", "repository_owner": "acme",
	"actor_id": "12", "repository_visibility": "private", "repository_id": "74", "repository_owner_id": "65",
	"run_id": "example-run-id", "run_number": "10", "run_attempt": "2", "runner_environment": "github-hosted",
	"actor": "octocat", "workflow": "deploy", "head_ref": "", "base_ref": "", "event_name": "push", "ref_type": "branch",
	"ref_protected": "true", "job_workflow_ref": "acme/automation/.github/workflows/deploy.yml@refs/heads/main",
	"workflow_ref": "acme/shop/.github/workflows/ci.yml@refs/heads/main",
}

// example is what an access file in the document has.
type example struct {
	Authentication struct {
		OIDC Config `yaml:"oidc"`
	} `yaml:"authentication"`
	Grants grant.List `yaml:"grants"`
}

// document returns the blocks of YAML in docs/access-oidc.md under a heading.
func document(t *testing.T, heading string) []string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/access-oidc.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all []string
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1) {
		all = append(all, m[1])
	}
	return all
}

func parseExample(t *testing.T, text string) example {
	t.Helper()
	var e example
	if err := strictyaml.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDocumentedIssuer(t *testing.T) {
	blocks := document(t, "An issuer")
	e := parseExample(t, blocks[0])
	if len(e.Authentication.OIDC) != 1 {
		t.Errorf("got %+v", e)
	}
}

// TestReasonsAreDocumented: the table of the document has every text.
func TestReasonsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/access-oidc.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []error{
		ErrUnknownIssuer, ErrAudience, ErrExpired, ErrNotYetValid, ErrSignature, ErrUnknownKey, ErrAlgorithm, ErrMalformed,
		ErrClaims, access.ErrTokenTooLong,
	} {
		if !strings.Contains(string(b), "| `"+reason.Error()+"` |") {
			t.Errorf("the document does not have %q", reason)
		}
	}
	if text, _, _ := strings.Cut(ErrServiceAccount.Error(), ","); !strings.Contains(string(b), "| `"+text+"` |") {
		t.Errorf("the document does not have %q", text)
	}
}

// visit sends a job's token to the door of an example.
func visit(t *testing.T, e example, i *idp.Issuer, claims map[string]any, method, target string) (*access.Admission, *answer.Failure) {
	t.Helper()
	config := slices.Clone(e.Authentication.OIDC)
	config[0].URL, config[0].CertificateAuthority = i.URL(), i.CAFile()
	grants, err := grant.New(grant.Config{Grants: e.Grants})
	if err != nil {
		t.Fatal(err)
	}
	door := &access.Door{Rules: access.Fixed(access.Rules{Authenticator: open(t, config...), Authorizer: grants})}
	r := request(mint(t, i, claims))
	r.Method = method
	return door.Enter(r, &answer.Record{}, "prod.acme", target)
}

// with returns claims with some of them changed.
func with(claims map[string]any, changed map[string]any) map[string]any {
	all := maps.Clone(claims)
	maps.Copy(all, changed)
	return all
}

const pods = "/api/v1/namespaces/shop/pods"

// TestGitLabJobs: both sides of the document's example, with the claims of GitLab.
func TestGitLabJobs(t *testing.T) {
	blocks := document(t, "Jobs of GitLab")
	e := parseExample(t, blocks[0])
	i := startIssuer(t)
	a, f := visit(t, e, i, gitlabClaims, http.MethodPost, pods)
	if f != nil {
		t.Fatal(f)
	}
	if as := a.Identity(); as.User != "gitlab:acme/shop" || !slices.Equal(as.Groups, []string{"gitlab:acme", "gitlab:env:production"}) ||
		a.Caller.UID != "302" {
		t.Errorf("the job acts as %+v, caller %+v", as, a.Caller)
	}
	for name, tt := range map[string]struct {
		claims map[string]any
		target string
	}{
		"another project":      {with(gitlabClaims, map[string]any{"project_path": "mallory/shop"}), pods},
		"an unprotected ref":   {with(gitlabClaims, map[string]any{"ref_protected": "false"}), pods},
		"no environment":       {with(gitlabClaims, map[string]any{"environment": nil}), pods},
		"another environment":  {with(gitlabClaims, map[string]any{"environment": "staging"}), pods},
		"another namespace":    {gitlabClaims, "/api/v1/namespaces/kube-system/pods"},
		"all namespaces":       {gitlabClaims, "/api/v1/pods"},
		"another group of API": {gitlabClaims, "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"},
	} {
		if a, f := visit(t, e, i, tt.claims, http.MethodGet, tt.target); f == nil || f.Kind.Status != http.StatusForbidden {
			t.Errorf("%s: %+v, %v, want 403", name, a, f)
		}
	}

	var jobs map[string]struct {
		Environment string
		Tokens      map[string]struct{ Aud string } `yaml:"id_tokens"`
		Script      []string
	}
	if err := yaml.Unmarshal([]byte(blocks[1]), &jobs); err != nil {
		t.Fatal(err)
	}
	job := jobs["deploy"]
	if aud := job.Tokens["FAIRLEAD_TOKEN"].Aud; !slices.Contains(e.Authentication.OIDC[0].Audiences, aud) {
		t.Errorf("the job's audience is %q", aud)
	}
	if !strings.Contains(strings.Join(job.Script, "\n"), "$FAIRLEAD_TOKEN") || job.Environment != gitlabClaims["environment"] {
		t.Errorf("the job is %+v", job)
	}
}

// TestGitHubJobs is TestGitLabJobs for GitHub Actions.
func TestGitHubJobs(t *testing.T) {
	blocks := document(t, "Jobs of GitHub Actions")
	e := parseExample(t, blocks[0])
	if e.Authentication.OIDC[0].URL != "https://token.actions.githubusercontent.com" {
		t.Errorf("the issuer is %s", e.Authentication.OIDC[0].URL)
	}
	i := startIssuer(t)
	a, f := visit(t, e, i, githubClaims, http.MethodDelete, "/api/v1/nodes/x")
	if f != nil {
		t.Fatal(f)
	}
	if as := a.Identity(); as.User != "github:acme/shop" || !slices.Equal(as.Groups, []string{"github:acme"}) || a.Caller.UID != "74" {
		t.Errorf("the job acts as %+v, caller %+v", as, a.Caller)
	}
	for name, changed := range map[string]map[string]any{
		"another repository":  {"sub": "repo:mallory/shop:environment:production", "repository": "mallory/shop"},
		"a pull request":      {"sub": "repo:acme/shop:pull_request", "ref": "refs/pull/1/merge"},
		"another branch":      {"ref": "refs/heads/feature"},
		"another environment": {"sub": "repo:acme/shop:environment:staging", "environment": "staging"},
		"another workflow":    {"job_workflow_ref": "acme/shop/.github/workflows/other.yml@refs/heads/main"},
	} {
		if a, f := visit(t, e, i, with(githubClaims, changed), http.MethodGet, pods); f == nil || f.Kind.Status != http.StatusForbidden {
			t.Errorf("%s: %+v, %v, want 403", name, a, f)
		}
	}

	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Environment string
			Steps       []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(blocks[1]), &workflow); err != nil {
		t.Fatal(err)
	}
	job := workflow.Jobs["deploy"]
	run := job.Steps[len(job.Steps)-1].Run
	if workflow.Permissions["id-token"] != "write" || job.Environment != githubClaims["environment"] ||
		!strings.Contains(run, "&audience="+e.Authentication.OIDC[0].Audiences[0]+`"`) {
		t.Errorf("the workflow is %+v", workflow)
	}
}
