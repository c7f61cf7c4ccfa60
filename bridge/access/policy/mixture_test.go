package policy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// mixing is two versions of a file. By either of them, caller stay is let in as user s,
// and callers mixed and boss are not: mixed would be by the issuer of one version and the
// grants of the other, boss by the issuer that only the second version has and the
// grants of the first.
type mixing struct {
	*rig
	other    *issuer.Issuer // of the second version alone
	versions [2]*Config
}

func newMixing(t *testing.T) *mixing {
	t.Helper()
	m := &mixing{rig: newRig(t), other: issuer.ForTest(t)}
	entry := func(name string, i *issuer.Issuer, username string) string {
		return fmt.Sprintf("  - {name: %s, issuer: %q, audiences: [fairlead], certificateAuthority: %q, username: '%s'}\n", name, i.URL(), i.CAFile(), username)
	}
	grant := func(name, user, as string) string {
		return fmt.Sprintf("- {name: %s, clusters: [prod], when: ['caller.name == %q'], as: {user: '%q'}}\n", name, user, as)
	}
	const issuers, grants = "authentication:\n  oidc:\n", "grants:\n"
	for i, text := range []string{
		issuers + entry("ci", m.issuer, `claims.sub`) +
			grants + grant("stay", "stay", "s") + grant("mixed", "x:mixed", "m") + grant("boss", "boss", "m"),
		issuers + entry("ci", m.issuer, `"x:" + claims.sub`) + entry("other", m.other, `claims.sub`) +
			grants + grant("stay", "x:stay", "s") + grant("mixed", "mixed", "m"),
	} {
		c, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m.versions[i] = c
	}
	if err := m.policy.apply(m.versions[0]); err != nil {
		t.Fatal(err)
	}
	return m
}

// reload makes the versions take effect in turn while work is done, and ends the work.
func (m *mixing) reload(work ...func()) {
	m.t.Helper()
	done, end := make(chan struct{}, 8*len(work)), make(chan struct{})
	var working sync.WaitGroup
	for _, one := range work {
		working.Go(func() {
			for {
				one()
				select {
				case done <- struct{}{}:
				case <-end:
					return
				}
			}
		})
	}
	for n := range 100 {
		if err := m.policy.apply(m.versions[(n+1)%2]); err != nil {
			m.t.Error(err)
		}
		for range 2 * len(work) { // under load
			<-done
		}
	}
	close(end)
	working.Wait()
}

// TestNoMixtureOfVersions: no request meets the issuers of one version of the file and
// the grants of another, and none is refused that both allow.
func TestNoMixtureOfVersions(t *testing.T) {
	m := newMixing(t)
	stay, mixed := m.token("stay"), m.token("mixed")
	boss, err := m.other.Mint(map[string]any{"sub": "boss", "aud": "fairlead"})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func() {
		a, f := m.enter(stay)
		if f != nil {
			t.Errorf("a caller whom both versions let in: %v", f)
		} else if a.Identity().User != "s" {
			t.Errorf("a caller acts as %q", a.Identity().User)
		}
	}
	refused := func(bearer string) func() {
		return func() {
			if a, f := m.enter(bearer); f == nil {
				t.Errorf("caller %q whom no version lets in is let in by %q", a.Caller.Name, a.Decision.Grant)
			} else if f.Kind.Status >= 500 {
				t.Errorf("a caller whom no version lets in: %v", f)
			}
		}
	}
	m.reload(allowed, refused(mixed), refused(boss), allowed)
}

// TestNoMixtureWhileRunning: a running request that both versions allow goes on.
func TestNoMixtureWhileRunning(t *testing.T) {
	m := newMixing(t)
	stay := m.token("stay")
	a, f := m.enter(stay)
	if f != nil {
		t.Fatal(f)
	}
	held, release := a.Hold(t.Context())
	defer release()
	work := []func(){func() {
		if f := a.Check(t.Context()); f != nil {
			t.Errorf("a request that both versions allow: %v", f)
		}
	}}
	for range 2 {
		work = append(work, func() {
			other, f := m.enter(stay)
			if f != nil {
				t.Error(f)
				return
			}
			ctx, release := other.Hold(t.Context())
			if f := other.Check(t.Context()); f != nil || ctx.Err() != nil {
				t.Errorf("a request that has just begun: %v, %v", f, context.Cause(ctx))
			}
			release()
		})
	}
	m.reload(work...)
	if held.Err() != nil {
		t.Errorf("a request that both versions allow was ended: %v", context.Cause(held))
	}
}

// TestRecordingIsOfTheVersion: a request is recorded where the version of the file says
// that let it in, though another one has taken its place meanwhile.
func TestRecordingIsOfTheVersion(t *testing.T) {
	r := newRig(t)
	bearer := r.token("jane")
	folders := []string{t.TempDir(), t.TempDir(), ""}
	let := make([]*access.Admission, len(folders))
	for i, dir := range folders {
		text := r.issuers() + "grants:\n" + grantFor("jane", "ci")
		if dir != "" {
			text += "recording: {directory: " + dir + "}\n"
		}
		c, err := parse(text)
		if err == nil {
			err = r.policy.apply(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		var f *answer.Failure
		if let[i], f = r.enter(bearer); f != nil {
			t.Fatal(f)
		}
	}
	for i, dir := range folders {
		s, err := let[i].Recorder().Begin(record.Meta{Caller: "jane"})
		if dir == "" {
			if !errors.Is(err, record.ErrNotConfigured) {
				t.Errorf("a version without a place: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Sent()
		s.Close()
		if files, err := filepath.Glob(filepath.Join(dir, "*.cast")); err != nil || len(files) != 1 {
			t.Errorf("version %d: recordings %q, %v", i, files, err)
		}
	}
}

// TestSupersededSaysWhy: a caller whose issuer has changed so that its token is not good
// any more is told that, and not that its credential was revoked.
func TestSupersededSaysWhy(t *testing.T) {
	r := newRig(t)
	alice := r.token("alice")
	for name, tt := range map[string]struct{ issuers, want string }{
		"audience": {strings.Replace(r.issuers(), "[fairlead]", "[another]", 1), `the bridge's configuration of issuer "ci" has changed: the ID token is for another audience`},
		"removed":  {"", `issuer "ci" was removed from the bridge's configuration: the ID token is of an issuer that is not configured here`},
	} {
		grants := "grants:\n" + grantFor("alice", "a")
		change := func(text string) {
			c, err := parse(text)
			if err == nil {
				err = r.policy.apply(c)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		change(r.issuers() + grants)
		a, f := r.enter(alice)
		if f != nil {
			t.Fatal(f)
		}
		held, release := a.Hold(t.Context())
		change(tt.issuers + grants)
		ended(t, name, held, answer.Unauthenticated)
		release()
		for _, got := range []error{context.Cause(held), a.Check(t.Context())} {
			if !strings.Contains(fmt.Sprint(got), tt.want) {
				t.Errorf("%s: %v, want %s", name, got, tt.want)
			}
		}
	}
}
