package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1"
)

// credential runs the command token.
func (r *rig) credential() *clientauth.ExecCredential {
	r.t.Helper()
	stdout, stderr := r.must("token")
	r.noSecret(stderr)
	var c clientauth.ExecCredential
	if err := json.Unmarshal([]byte(stdout), &c); err != nil || c.Status == nil {
		r.t.Fatalf("%s: %v", stdout, err)
	}
	return &c
}

// TestBrowser: the whole flow. The issuer checks PKCE, the redirect URI and the
// client itself.
func TestBrowser(t *testing.T) {
	r := newRig(t, nil)
	r.fails([]string{"token"}, "not logged in", "kubectl fairlead login --bridge "+r.bridge.URL)
	r.fails([]string{"login"}, "--issuer and --client-id")
	stdout, stderr := r.must(r.loginFlags()...)
	if stdout != "" || !strings.Contains(stderr, "as alice") {
		t.Errorf("wrote %q and %q", stdout, stderr)
	}
	r.noSecret(stderr)
	c := r.credential()
	s := r.session()
	if c.APIVersion != "client.authentication.k8s.io/v1" || c.Kind != "ExecCredential" || c.Status.Token != s.IDToken ||
		!c.Status.ExpirationTimestamp.Equal(ptr(s.Expires.Add(-renewBefore))) {
		t.Errorf("credential %+v", c)
	}
	if n := r.issuer.Requests("/token"); n != 1 {
		t.Errorf("%d requests for tokens, want 1: the token is good for an hour", n)
	}
	// The next login needs no flags, and the bridge is the last one.
	r.must("login")
	if s.RefreshToken == r.session().RefreshToken {
		t.Error("the second login changed nothing")
	}
}

// TestFiles: nobody else reads them, and a directory that others could read is closed.
func TestFiles(t *testing.T) {
	r := newRig(t, nil)
	if err := os.MkdirAll(filepath.Join(r.home, "cache", "fairlead"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.must(r.loginFlags()...)
	for _, dir := range []string{"cache", "config"} {
		files := 0
		err := filepath.WalkDir(filepath.Join(r.home, dir, "fairlead"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			} else {
				files++
			}
			if err == nil && info.Mode().Perm() != want {
				t.Errorf("%s: mode %o, want %o", path, info.Mode().Perm(), want)
			}
			return err
		})
		if err != nil || files != 2 {
			t.Errorf("%s: %d files, want one and its lock: %v", dir, files, err)
		}
	}
	config, err := os.ReadFile(filepath.Join(r.home, "config", "fairlead", "kubectl-fairlead.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.noSecret(string(config))
}

// TestRefresh: a token that is about to expire is renewed, and the refresh token
// with it.
func TestRefresh(t *testing.T) {
	r := newRig(t, nil)
	r.people.SetLifetime(renewBefore - 5*time.Second)
	r.must(r.loginFlags()...)
	before := r.session()
	r.people.SetLifetime(time.Hour)
	c := r.credential()
	if after := r.session(); c.Status.Token == before.IDToken || after.RefreshToken == before.RefreshToken || c.Status.Token != after.IDToken {
		t.Error("it was not renewed")
	}
	if good, refused := r.people.Usable(); good != 1 || refused != 0 {
		t.Errorf("%d refresh tokens are good, %d were refused", good, refused)
	}
}

func TestRefreshFails(t *testing.T) {
	r := newRig(t, nil)
	r.people.SetLifetime(renewBefore - 5*time.Second)
	r.must(r.loginFlags()...)

	// An issuer that is away does not matter while the token is good.
	r.issuer.Stop()
	r.credential()
	r.plugin.now = func() time.Time { return time.Now().Add(time.Hour) }
	r.fails([]string{"token"}, "refresh the login", "connection refused")
	if err := r.issuer.Start(); err != nil {
		t.Fatal(err)
	}
	r.people.SetClaims(func(c map[string]any) { c["sub"] = "mallory" })
	r.fails([]string{"token"}, "somebody else")
	r.people.SetClaims(func(map[string]any) {})

	r.plugin.now = time.Now
	r.people.RevokeAll()
	r.fails([]string{"token"}, "the issuer has ended the login", "kubectl fairlead login --bridge "+r.bridge.URL)
	r.must("login")
	r.credential()
}

func TestLogout(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.loginFlags()...)
	r.must("logout")
	if good, _ := r.people.Usable(); good != 0 {
		t.Errorf("%d refresh tokens are good after logout", good)
	}
	r.fails([]string{"token"}, "not logged in")
	r.must("logout")
	r.must("login")
	r.issuer.Stop()
	if _, stderr := r.must("logout"); !strings.Contains(stderr, "warning: revoke the refresh token") {
		t.Errorf("wrote %q", stderr)
	}
	r.fails([]string{"token"}, "not logged in")
}
