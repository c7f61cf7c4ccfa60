package issuer

import (
	"fmt"
	"testing"
)

// Audience is that of the tokens of [Issuer.Token].
const Audience = "fairlead"

// ForTest starts an issuer that stops with the test.
func ForTest(t testing.TB) *Issuer {
	t.Helper()
	i, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

// Entry is the issuer in authentication.oidc of an access file, for tokens of
// [Issuer.Token]. username is the expression of the caller's name.
func (i *Issuer) Entry(name, username string) string {
	return fmt.Sprintf("  - {name: %s, issuer: %q, audiences: [%s], certificateAuthority: %q, username: '%s', groups: claims.groups}\n",
		name, i.URL(), Audience, i.CAFile(), username)
}

// Section is section authentication of an access file, with the issuer alone and its
// users by their names.
func (i *Issuer) Section(name string) string {
	return "authentication:\n  oidc:\n" + i.Entry(name, "claims.sub")
}

// Token is an ID token of a user with groups.
func (i *Issuer) Token(t testing.TB, user string, groups ...string) string {
	t.Helper()
	if groups == nil {
		groups = []string{} // which an access file's expression wants to be a list
	}
	token, err := i.Mint(map[string]any{"sub": user, "aud": Audience, "groups": groups})
	if err != nil {
		t.Fatal(err)
	}
	return token
}
