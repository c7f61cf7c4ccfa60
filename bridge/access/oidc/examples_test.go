package oidc

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
