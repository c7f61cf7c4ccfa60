package policy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// platform is a service that reviews: every token that begins with "p-" is its
// user's, and every access is allowed unless it is refused.
type platform struct {
	server     *httptest.Server
	kubeconfig string
	down       atomic.Bool
	mu         sync.Mutex
	refused    map[string]bool // users
	reviews    []string
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{refused: map[string]bool{}, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	content := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: %q}}]}", p.server.URL)
	if err := os.WriteFile(p.kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *platform) serve(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var review map[string]any
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked has left
	}
	_ = json.Unmarshal(b, &review)
	spec := review["spec"].(map[string]any)
	p.mu.Lock()
	defer p.mu.Unlock()
	if review["kind"] == "TokenReview" {
		user, ok := strings.CutPrefix(spec["token"].(string), "p-")
		review["status"] = map[string]any{"authenticated": ok, "user": map[string]any{"username": user}}
		p.reviews = append(p.reviews, "token of "+user)
	} else {
		user := spec["user"].(string)
		review["status"] = map[string]any{"allowed": !p.refused[user], "reason": "policy 7"}
		p.reviews = append(p.reviews, "access of "+user)
	}
	_ = json.NewEncoder(w).Encode(review)
}

func (p *platform) asked(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.reviews {
		if r == what {
			n++
		}
	}
	return n
}

// allRig is a policy with every part.
type allRig struct {
	*testing.T
	ca       *testca.CA
	platform *platform
	path     string
	static   string
	policy   *Policy
	door     access.Door
}

const allParts = `authentication:
  clientCertificates: {certificateAuthority: %[1]q}
  tokenReview: {kubeconfig: %[2]q}
authorization:
  subjectAccessReview:
    kubeconfig: %[2]q
    as: {user: '"p:" + caller.name'}
grants:
- {name: own, clusters: [prod], when: [caller.name == "granted"], as: {user: '"granted"'}}
- {name: odd, clusters: [prod], when: [caller.name == "odd"], as: {user: '"odd"'}, mayImpersonate: {users: [other]}}
`

func newAllRig(t *testing.T) *allRig {
	t.Helper()
	dir := t.TempDir()
	x := &allRig{T: t, ca: testca.New(t, "clients"), platform: newPlatform(t), path: filepath.Join(dir, "access.yaml")}
	plain, hash := token.New()
	entry, err := token.Entry("static", hash, []string{"lab"})
	if err != nil {
		t.Fatal(err)
	}
	x.static = plain
	file := filepath.Join(dir, "tokens.yaml")
	if err := os.WriteFile(file, []byte("tokens:\n"+entry), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := token.Open(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.write(fmt.Sprintf(allParts, testca.WriteFile(t, x.ca), x.platform.kubeconfig))
	if x.policy, err = Open(x.path, tokens, Shared{}, nil, nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.policy.Close)
	x.door = access.Door{Rules: x.policy.Rules}
	return x
}

func (x *allRig) write(content string) {
	x.Helper()
	if err := os.WriteFile(x.path, []byte(content), 0o600); err != nil {
		x.Fatal(err)
	}
}

// change makes another version of the file take effect.
func (x *allRig) change(content string) {
	x.Helper()
	c, err := parse(content)
	if err != nil {
		x.Fatal(err)
	}
	if err := x.policy.apply(c); err != nil {
		x.Fatal(err)
	}
}

func (x *allRig) enter(bearer string, cert *tls.Certificate, lines ...string) (*access.Admission, *answer.Failure) {
	return x.door.Enter(x.request(bearer, cert, lines...), &answer.Record{}, "prod", "/version")
}

func (x *allRig) request(bearer string, cert *tls.Certificate, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://bridge/k8s/clusters/prod/version", nil)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(lines); i += 2 {
		r.Header.Set(lines[i], lines[i+1])
	}
	r.TLS = &tls.ConnectionState{}
	if cert != nil {
		r.TLS.PeerCertificates = testca.Parsed(x, *cert)
	}
	return r
}

// TestOrder: certificate, token of the file, token review; grants, access review.
func TestOrder(t *testing.T) {
	x := newAllRig(t)
	alice, granted := x.ca.Client("alice", nil, nil), x.ca.Client("granted", nil, nil)
	for name, tt := range map[string]struct {
		token string
		cert  *tls.Certificate
		as    string
	}{
		"certificate":       {"", &alice, "p:alice"},
		"before a token":    {x.static, &alice, "p:alice"},
		"before a review":   {"p-bob", &alice, "p:alice"},
		"token of the file": {x.static, nil, "p:static"},
		"review":            {"p-bob", nil, "p:bob"},
		"grant":             {"", &granted, "granted"},
	} {
		a, f := x.enter(tt.token, tt.cert)
		if f != nil || a.Identity() == nil || a.Identity().User != tt.as {
			t.Errorf("%s: %+v, %v, want user %q", name, a, f, tt.as)
		}
	}
	if n := x.platform.asked("access of granted"); n != 0 {
		t.Errorf("asked %d times about what a grant allows", n)
	}
	if n := x.platform.asked("token of bob"); n != 1 {
		t.Errorf("asked %d times about a token", n)
	}
	stranger := testca.New(t, "strangers").Client("alice", nil, nil)
	if a, f := x.enter("p-bob", &stranger); f != nil || a.Identity().User != "p:bob" {
		t.Errorf("a bad certificate and a good token: %v", f)
	}
	if _, f := x.enter("", &stranger); f == nil || f.Kind != answer.Unauthenticated || !strings.Contains(f.Detail, "client certificate") {
		t.Errorf("a bad certificate alone: %v", f)
	}
	if _, f := x.enter("other", nil); f == nil || f.Kind != answer.Unauthenticated || !strings.Contains(f.Detail, "token review service does not accept") {
		t.Errorf("a token that nobody knows: %v", f)
	}
	odd := x.ca.Client("odd", nil, nil)
	if _, f := x.enter("", &odd, "Impersonate-User", "root"); f == nil || f.Kind != answer.Impersonation || x.platform.asked("access of odd") != 0 {
		t.Errorf("impersonation that a grant refuses: %v", f)
	}
	if x.policy.ClientCAs() == nil {
		t.Error("the server asks for no certificates")
	}
}

func TestAccessReviewRefuses(t *testing.T) {
	x := newAllRig(t)
	alice := x.ca.Client("alice", nil, nil)
	x.platform.refused["alice"] = true
	ref := subjects.ClusterRef{Tenant: "default", Cluster: "prod"}
	_, f := x.enter("", &alice)
	if f == nil || f.Kind != answer.Forbidden || !strings.Contains(f.Detail, `caller "alice" has no grant for cluster "prod"`) {
		t.Errorf("%v, want the text for a cluster that is not known", f)
	}
	x.platform.down.Store(true)
	bob := x.ca.Client("bob", nil, nil)
	if _, f := x.enter("", &bob); f == nil || f.Kind != answer.ReviewUnreachable {
		t.Errorf("down: %v", f)
	}
	if _, f := x.enter("p-carol", nil); f == nil || f.Kind != answer.ReviewUnreachable {
		t.Errorf("down, by a token: %v", f)
	}
	visitor, f := x.door.Authenticate(x.request("", &bob), &answer.Record{})
	if f != nil {
		t.Fatal(f)
	}
	if _, f := visitor.Visible(t.Context(), ref); f == nil || f.Kind != answer.ReviewUnreachable {
		t.Errorf("visible while down: %v", f)
	}
	if _, f := visitor.TenantVisible(t.Context(), "default"); f == nil || f.Kind != answer.ReviewUnreachable {
		t.Errorf("tenant visible while down: %v", f)
	}
	if a := visitor.Authorizer(); a.Visible(visitor.Caller, ref) || a.AuthorizeTenant(visitor.Caller, "default") {
		t.Error("open while down")
	}
	granted := x.ca.Client("granted", nil, nil)
	if _, f := x.enter("", &granted); f != nil {
		t.Errorf("a grant, while the service is down: %v", f)
	}
}

// TestPartsChange: what is gone from the file ends what it let in, and nothing else.
func TestPartsChange(t *testing.T) {
	x := newAllRig(t)
	alice, granted := x.ca.Client("alice", nil, nil), x.ca.Client("granted", nil, nil)
	file, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	hold := func(bearer string, cert *tls.Certificate) context.Context {
		t.Helper()
		a, f := x.enter(bearer, cert)
		if f != nil {
			t.Fatal(f)
		}
		ctx, release := a.Hold(t.Context())
		t.Cleanup(release)
		return ctx
	}
	byCert, byGrant, byReview := hold("", &alice), hold("", &granted), hold("p-bob", nil)
	withoutGrants, _, _ := strings.Cut(string(file), "grants:")
	x.change(withoutGrants)
	ended(t, "a grant's user is not the platform's", byGrant, answer.Forbidden)
	if byCert.Err() != nil || byReview.Err() != nil {
		t.Errorf("ended: %v, %v", context.Cause(byCert), context.Cause(byReview))
	}
	noCerts := strings.Replace(withoutGrants, "  clientCertificates", "  #", 1)
	x.change(noCerts)
	ended(t, "by a certificate", byCert, answer.Unauthenticated)
	if x.policy.ClientCAs() != nil || byReview.Err() != nil {
		t.Errorf("the server still asks, or %v", context.Cause(byReview))
	}
	noAccess, _, _ := strings.Cut(noCerts, "authorization:")
	x.change(noAccess)
	ended(t, "by an access review", byReview, answer.Forbidden)
	x.change("{}")
	if _, f := x.enter("p-bob", nil); f == nil || f.Kind != answer.Unauthenticated {
		t.Errorf("without a token review: %v", f)
	}
	bad, err := parse(strings.Replace(string(file), x.platform.kubeconfig, "/none", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.policy.apply(bad); err == nil || x.policy.ClientCAs() != nil {
		t.Errorf("a file with one part that cannot be made: %v", err)
	}
}

// TestFaultsOfParts have their lines.
func TestFaultsOfParts(t *testing.T) {
	for text, want := range map[string]string{
		"authentication:\n  clientCertificates:\n    ca: x":                                                                                                               `line 3: authentication.clientCertificates: unknown key "ca"; known are certificateAuthority, forwarded`,
		"authentication:\n  clientCertificates: {}":                                                                                                                       "line 2: authentication.clientCertificates.certificateAuthority: name the file",
		"authentication:\n  clientCertificates:\n    certificateAuthority: a\n    forwarded: {header: X-Evil, proxies: {}}":                                               `line 4: authentication.clientCertificates.forwarded.header: "X-Evil" cannot pass a certificate on; use one of Client-Cert, X-Forwarded-Client-Cert`,
		"authentication:\n  clientCertificates:\n    certificateAuthority: a\n    forwarded:\n      header: client-cert\n      proxies: {certificateAuthority: b}":        "line 6: authentication.clientCertificates.forwarded.proxies.commonNames: want at least one",
		"authentication:\n  clientCertificates:\n    certificateAuthority: a\n    forwarded: {header: client-cert, proxies: {commonNames: [x], certificateAuthority: a}}": "line 4: authentication.clientCertificates.forwarded.proxies.certificateAuthority: it is the file of the callers' CAs",
		"authentication:\n  tokenReview: {}":                                                         "line 2: authentication.tokenReview.kubeconfig: name the file",
		"authentication:\n  tokenReview:\n    kubeconfig: a\n    audiences: []":                      "line 4: authentication.tokenReview.audiences: want at least one",
		"authentication:\n  tokenReview:\n    kubeconfig: a\n    cache: {allowed: 2h}":               "line 4: authentication.tokenReview.cache.allowed: 2h0m0s is not between 1s and 1h0m0s",
		"authentication:\n  tokenReview:\n    kubeconfig: a\n    cache:\n      denied: soon":         `line 5: authentication.tokenReview.cache.denied: want a duration such as 30s or 4h, not "soon"`,
		"authorization:\n  subjectAccessReview: {kubeconfig: a}":                                     "line 2: authorization.subjectAccessReview.as: none given: say as whom",
		"authorization:\n  subjectAccessReview:\n    kubeconfig: a\n    as:\n      user: caller.nam": "line 5: authorization.subjectAccessReview.as.user: expression, column 1: caller has no field nam",
		"authorization:\n  subjectAccessReview:\n    kubeconfig: a\n    as: {user: request.verb}":    "line 4: ",
		"authorization:\n  sar: {}": `line 2: authorization: unknown key "sar"; known are subjectAccessReview`,
	} {
		_, err := parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}
