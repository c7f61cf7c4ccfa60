package rig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// manyGrants is how many grants the target Identity has. The caller's is the last.
const manyGrants = 200

// startIdentity starts a second installation like that of the tunnel, whose caller has
// an ID token and acts as a user by the last of many grants, with an audit file.
func (r *Rig) startIdentity(ctx context.Context, bin harness.Binaries, kubeconfig string) (err error) {
	dir := filepath.Join(r.dir, "identity")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if r.issuer, err = issuer.New(dir); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `audit: {file: {path: %s}}
authentication:
  oidc:
  - {name: ci, issuer: %q, audiences: [bench], certificateAuthority: %s, username: '"ci:" + claims.project_path'}
grants:
`, filepath.Join(dir, "audit.jsonl"), r.issuer.URL(), r.issuer.CAFile())
	for i := range manyGrants {
		fmt.Fprintf(&b, `- name: project-%d
  clusters: ["*.%s"]
  when: [caller.issuer == "ci", 'claims.project_path == "group/project-%d" && claims.ref_protected == "true"']
  requests: [{verbs: ["*"], resources: ["*"]}, {verbs: ["*"], paths: ["*"]}]
  as: {user: caller.name, groups: '["ci:deployers"]'}
`, i, tenant, i)
	}
	file := filepath.Join(dir, "access.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	idToken, err := r.issuer.Mint(map[string]any{
		"sub": "job", "aud": "bench", "project_path": fmt.Sprintf("group/project-%d", manyGrants-1), "ref_protected": "true",
	})
	if err != nil {
		return err
	}
	r.identity, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: filepath.Join(dir, "system"), Binaries: bin, Tenant: tenant, Cluster: cluster, Agents: -1,
		AgentKubeconfig: kubeconfig, BridgeFlags: []string{"--insecure-http", "--access", file}, Progress: r.options.Progress,
	})
	if err != nil {
		return err
	}
	agent, err := r.identity.StartAgent(ctx, harness.AgentOptions{Name: "agent"})
	if err != nil {
		return err
	}
	r.addTunnel(Identity, cluster, r.identity, agent).token = idToken
	return r.addLongToken(len(idToken))
}

// addLongToken gives the bridge of the target Tunnel a second static token, of that
// length.
func (r *Rig) addLongToken(length int) error {
	const prefix = "fl_"
	t := prefix + strings.Repeat("x", length-len(prefix))
	digest := sha256.Sum256([]byte(t))
	entry, err := token.Entry(LongToken, "sha256:"+hex.EncodeToString(digest[:]), []string{"*"})
	if err != nil {
		return err
	}
	layout, err := keys.OpenLayout(r.system.Config)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(layout.TokensFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("long token: %w", err)
	}
	_, err = f.WriteString(entry) // which the bridge reads within a second
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("long token: %w", err)
	}
	r.addTunnel(LongToken, cluster, r.system, r.system.Agents[0]).token = t
	return nil
}
