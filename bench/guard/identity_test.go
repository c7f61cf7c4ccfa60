package guard

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// manyGrants is how many grants the identity's bridge has. The caller's is the last.
const manyGrants = 200

// withIdentity makes a bridge like the target identity of package bench: its caller has
// an ID token, and acts as a user by the last of many grants, with an audit file.
func withIdentity(t testing.TB, quiet *slog.Logger) (change func(*bridge.Config), idToken string) {
	t.Helper()
	i := issuer.ForTest(t)
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, `audit: {file: {path: %s}}
authentication:
  oidc:
  - {name: ci, issuer: %q, audiences: [bench], certificateAuthority: %s, username: '"ci:" + claims.project_path'}
grants:
`, filepath.Join(dir, "audit.jsonl"), i.URL(), i.CAFile())
	for n := range manyGrants {
		fmt.Fprintf(&b, `- name: project-%d
  clusters: ["*.%s"]
  when: [caller.issuer == "ci", 'claims.project_path == "group/project-%d" && claims.ref_protected == "true"']
  requests: [{verbs: ["*"], resources: ["*"]}, {verbs: ["*"], paths: ["*"]}]
  as: {user: caller.name, groups: '["ci:deployers"]'}
`, n, tenantName, n)
	}
	file := filepath.Join(dir, "access.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	idToken, err := i.Mint(map[string]any{
		"sub": "job", "aud": "bench", "project_path": fmt.Sprintf("group/project-%d", manyGrants-1), "ref_protected": "true",
	})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Open(file, nil, policy.Shared{}, nil, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rules.Close)
	events, err := audit.New(rules.Audit(), nil, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := events.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(c *bridge.Config) { c.Rules, c.Audit = rules.Rules, events }, idToken
}
