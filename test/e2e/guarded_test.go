package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// guarded is a Fairlead with an issuer and an access file.
type guarded struct {
	sp     *space
	dir    string // of the test
	issuer *issuer.Issuer
	system *harness.System
	access string // the file
}

// newGuarded starts the issuer. The access file is to be written, and the Fairlead to be
// started.
func newGuarded(sp *space) *guarded {
	sp.t.Helper()
	g := &guarded{sp: sp, dir: filepath.Join(sp.dir, sp.name)}
	g.access = filepath.Join(g.dir, "access.yaml")
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		sp.t.Fatal(err)
	}
	var err error
	if g.issuer, err = issuer.New(g.dir); err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(g.issuer.Stop)
	return g
}

// start starts the Fairlead with the access file.
func (g *guarded) start(o harness.SystemOptions) {
	g.sp.t.Helper()
	o.BridgeFlags = append(o.BridgeFlags, "--access", g.access)
	g.system = g.sp.ownSystem(o)
}

// replace replaces the access file in one step.
func (g *guarded) replace(content string) {
	g.sp.t.Helper()
	if err := os.WriteFile(g.access+".new", []byte(content), 0o600); err != nil {
		g.sp.t.Fatal(err)
	}
	if err := os.Rename(g.access+".new", g.access); err != nil {
		g.sp.t.Fatal(err)
	}
}

// idTokens is the part of an access file that takes ID tokens of the issuer for an
// audience. The names of users begin with the test's namespace, since tests share a
// cluster.
func (g *guarded) idTokens(audience string) string {
	return fmt.Sprintf(`authentication:
  oidc:
    - name: idp
      issuer: %s
      audiences: [%s]
      certificateAuthority: %s
      clockSkew: 1s
      username: '"%s:" + claims.sub'
      groups: 'has(claims.groups) ? claims.groups : []'
`, g.issuer.URL(), audience, g.issuer.CAFile(), g.sp.name)
}

// discovery is a grant, without which kubectl does not know what a cluster has.
const discovery = `  - name: discovery
    clusters: ["*"]
    callers: anyone
    requests:
      - {verbs: [get], paths: [/version, /api, "/api/*", /apis, "/apis/*", "/openapi/*"]}
    as: {agent: true}
`

// mint makes an ID token.
func (g *guarded) mint(claims map[string]any) string {
	g.sp.t.Helper()
	token, err := g.issuer.Mint(claims)
	if err != nil {
		g.sp.t.Fatal(err)
	}
	return token
}

// person is the way of somebody with an ID token for the audience fairlead.
func (g *guarded) person(name string, groups ...string) side {
	g.sp.t.Helper()
	return g.side(name, g.mint(map[string]any{"sub": name, "aud": "fairlead", "groups": append([]string{}, groups...)}))
}

// side is the way of a caller with a token to the cluster.
func (g *guarded) side(name, token string) side {
	g.sp.t.Helper()
	ca, err := os.ReadFile(g.system.CAFile())
	if err != nil {
		g.sp.t.Fatal(err)
	}
	s := side{name: name, server: g.system.URL("/k8s/clusters/" + g.system.Ref())}
	if s.kubeconfig, err = harness.WriteKubeconfig(filepath.Join(g.dir, name+".kubeconfig"), s.server, ca, token); err != nil {
		g.sp.t.Fatal(err)
	}
	if s.client, err = harness.NewTokenClient(g.system.CAFile(), token, harness.NoCompression); err != nil {
		g.sp.t.Fatal(err)
	}
	g.sp.t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// api makes a request to the bridge's own API, and decodes its answer into v.
func (g *guarded) api(s side, method, path string, body, v any) (status int) {
	g.sp.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		g.sp.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(g.sp.t.Context(), method, g.system.URL(path), bytes.NewReader(b))
	if err != nil {
		g.sp.t.Fatal(err)
	}
	a := ask(g.sp.t, s, req)
	if err := json.Unmarshal(a.body, v); err != nil {
		g.sp.t.Fatalf("%s %s: %d %s: %v", method, path, a.status, a.body, err)
	}
	return a.status
}

// allow gives a user or a group rights in the test's namespace.
func (sp *space) allow(kind, name string, rules ...rbacv1.PolicyRule) {
	sp.t.Helper()
	subject := rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	if kind == "ServiceAccount" {
		subject.APIGroup, subject.Namespace = "", sp.name
	}
	label := strings.NewReplacer(":", "-").Replace(strings.ToLower(kind + "-" + name))
	rbac, meta := sp.admin.RbacV1(), metav1.ObjectMeta{Name: label}
	if _, err := rbac.Roles(sp.name).Create(sp.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{subject},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: label},
	}
	if _, err := rbac.RoleBindings(sp.name).Create(sp.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
}

// rule is a rule of RBAC for the core group.
func rule(verbs string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: strings.Split(verbs, ","), Resources: resources}
}

// ends waits until a running kubectl has ended by itself, and expects it to say a reason.
func (r *running) ends(within time.Duration, reason string) {
	r.sp.t.Helper()
	r.wait(within)
	if text := r.stdout.String() + r.stderr.String(); !strings.Contains(text, reason) {
		r.sp.t.Errorf("kubectl %s ended without the reason %q:\n%s", strings.Join(r.args, " "), reason, clip(text))
	}
}
