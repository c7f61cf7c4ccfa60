package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a policy of a file that a test changes, and an issuer.
type rig struct {
	t      *testing.T
	issuer *issuer.Issuer
	path   string
	policy *Policy
	door   access.Door
	static string // a token of the bridge's own file, with all clusters
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, issuer: issuer.ForTest(t), path: filepath.Join(dir, "access.yaml")}
	plain, hash := token.New()
	entry, err := token.Entry("admin", hash, []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tokens.yaml")
	if err := os.WriteFile(file, []byte("tokens:\n"+entry), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := token.Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.static = plain
	r.write(r.issuers(), "")
	if r.policy, err = Open(r.path, tokens, Shared{}, nil, nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r.door = access.Door{Rules: r.policy.Rules}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- r.policy.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		r.policy.Close()
	})
	return r
}

func (r *rig) issuers() string {
	return fmt.Sprintf("authentication:\n  oidc:\n  - name: ci\n    issuer: %s\n    audiences: [fairlead]\n    certificateAuthority: %s\n    username: claims.sub\n",
		r.issuer.URL(), r.issuer.CAFile())
}

// grantFor lets a user in as another one.
func grantFor(user, as string) string {
	return fmt.Sprintf("- name: for-%s\n  clusters: [prod]\n  when: [caller.name == %q]\n  as: {user: '%q'}\n", user, user, as)
}

func (r *rig) write(issuers, grants string) {
	r.t.Helper()
	content := issuers
	if grants != "" {
		content += "grants:\n" + grants
	}
	if err := os.WriteFile(r.path+".new", []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.path+".new", r.path); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) token(user string) string {
	r.t.Helper()
	t, err := r.issuer.Mint(map[string]any{"sub": user, "aud": "fairlead"})
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

// enter makes a request with a token.
func (r *rig) enter(bearer string) (*access.Admission, *answer.Failure) {
	req := httptest.NewRequest("GET", "/k8s/clusters/prod/api/v1/pods", nil)
	req.Header.Set("Authorization", "Bearer "+bearer)
	return r.door.Enter(req, &answer.Record{}, "prod", "/api/v1/pods")
}

// until waits until a request with the token has that outcome.
func (r *rig) until(bearer string, kind *answer.Kind) {
	r.t.Helper()
	eventually.Nil(r.t, "the outcome of a request", func() error {
		if _, f := r.enter(bearer); (f == nil) != (kind == nil) || f != nil && f.Kind != kind {
			return fmt.Errorf("got %v, want %v", f, kind)
		}
		return nil
	})
}

func ended(t *testing.T, what string, ctx context.Context, kind *answer.Kind) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: still running", what)
	}
	if f, ok := errors.AsType[*answer.Failure](context.Cause(ctx)); !ok || f.Kind != kind {
		t.Errorf("%s: ended by %v, want %s", what, context.Cause(ctx), kind.Code)
	}
}

// parse reads an access file whose folder is /.
func parse(text string) (*Config, error) {
	d, err := Read([]byte(text), "/")
	return d.Config, err
}

// A change of the file has its effect on running requests, and on no others.
func TestFileIsFollowed(t *testing.T) {
	r := newRig(t)
	alice, bob := r.token("alice"), r.token("bob")
	r.until(alice, answer.Forbidden)
	r.write(r.issuers(), grantFor("alice", "a")+grantFor("bob", "b"))
	r.until(alice, nil)
	hold := func(bearer string) context.Context {
		a, f := r.enter(bearer)
		if f != nil {
			t.Fatal(f)
		}
		ctx, release := a.Hold(t.Context())
		t.Cleanup(release)
		return ctx
	}
	aliceRuns, bobRuns, adminRuns := hold(alice), hold(bob), hold(r.static)
	if a, f := r.enter(alice); f != nil || a.Identity() == nil || a.Identity().User != "a" || a.Decision.Grant != "for-alice" {
		t.Errorf("%+v, %v", a, f)
	}
	if a, f := r.enter(r.static); f != nil || a.Identity() != nil {
		t.Errorf("a token with clusters of its own: %+v, %v", a, f)
	}

	r.write(r.issuers(), grantFor("bob", "b")) // without alice
	ended(t, "alice", aliceRuns, answer.Forbidden)
	again := r.token("bob")
	r.write(r.issuers()+"bad: 1\n", "") // keeps what was before
	r.until(again, nil)
	if bobRuns.Err() != nil || adminRuns.Err() != nil {
		t.Errorf("bob: %v, admin: %v", context.Cause(bobRuns), context.Cause(adminRuns))
	}
	r.write(r.issuers(), grantFor("bob", "another"))
	ended(t, "bob as another user", bobRuns, answer.Forbidden)
	bobRuns = hold(bob)
	r.write("", grantFor("bob", "another")) // no issuer any more
	ended(t, "bob without issuer", bobRuns, answer.Unauthenticated)
	r.until(bob, answer.Unauthenticated)
	if adminRuns.Err() != nil {
		t.Errorf("admin: %v", context.Cause(adminRuns))
	}
}

// The file must be good at the start, and every fault is told with its line.
func TestFaults(t *testing.T) {
	const bad = "authentication:\n  oidc:\n  - name: ci\n    issuer: http://plain\n    audience: x\ngrants:\n- name: a\n  clusters: [\"..\"]\n- nam: b\nother: 1\n"
	_, err := Check([]byte(bad), "/", false)
	var lines []string
	for _, f := range strictyaml.Faults(err) {
		line, _, _ := strings.Cut(f.Error(), ":")
		lines = append(lines, line)
	}
	all := strings.Join(lines, " ")
	for _, want := range []string{"line 5", "line 8", "line 9", "line 10"} {
		if !strings.Contains(all, want) {
			t.Errorf("no fault at %s: %v", want, err)
		}
	}
	if _, err := Check([]byte("audit:\n  required: true\n"), "/", false); err == nil || !strings.Contains(err.Error(), "line 2: audit.required: it is true, but") {
		t.Errorf("audit without a sink: %v", err)
	}
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil, Shared{}, nil, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "line 10") {
		t.Errorf("opened: %v", err)
	}
	for _, empty := range []string{"", "\n", "# nothing\n"} {
		if _, err := Check([]byte(empty), "/", false); err == nil || !strings.Contains(err.Error(), "no content") {
			t.Errorf("%q: %v", empty, err)
		}
	}
	if _, err := Check([]byte("{}"), "/", false); err != nil {
		t.Errorf("{}: %v", err)
	}
	if d, err := Check([]byte("grants:\n"+grantFor("a", "b")), "/", false); err != nil || d.Config.Summary() != "issuers of ID tokens: 0, grants: 1" {
		t.Errorf("a good file: %v, %v", d, err)
	}
}

// Section audit has its effect at the start; a change is noticed.
func TestAuditNeedsARestart(t *testing.T) {
	var log bytes.Buffer
	p, err := newPolicy(nil, Shared{}, nil, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, stdout := range []bool{true, true, false} {
		if err := p.apply(&Config{Audit: audit.Config{Stdout: stdout}}); err != nil {
			t.Fatal(err)
		}
		if noticed := strings.Contains(log.String(), "started again"); !p.Audit().Stdout || noticed != (i == 2) {
			t.Errorf("version %d: %+v, %s", i, p.Audit(), log.String())
		}
	}
}

// TestNothingIsNull: what was commented out is a fault, and never as good as what
// stands for everything, such as no limits, no audit, or the CAs of the system.
func TestNothingIsNull(t *testing.T) {
	issuer := "authentication: {oidc: [{name: a, issuer: https://a, audiences: [x], "
	for _, text := range []string{
		"limits:", "audit:", "grants:", "clusters:", "approvals:", "authentication:", "authorization:",
		"audit: {stdout: true, required: }", "audit: {file: }", "audit: {stdout: true, reads: ~}",
		"authentication: {oidc: }", "authentication: {oidc: [~]}", "authentication: {tokenReview: }",
		issuer + "certificateAuthority: }]}", issuer + "signingAlgorithms: }]}", issuer + "clockSkew: }]}",
		"limits: &n\nauthentication: {oidc: *n}",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), "has no value") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := parse(issuer + "signingAlgorithms: []}]}"); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty list of algorithms: %v", err)
	}
}
