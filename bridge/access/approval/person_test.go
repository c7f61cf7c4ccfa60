package approval

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// One person with two credentials does not approve what they asked for.
func TestOnePersonWithTwoCredentials(t *testing.T) {
	jane := &access.Caller{Name: "gitlab:jane", Issuer: "gitlab", Method: access.MethodOIDC, Claims: map[string]any{
		"iss": "https://gitlab.example.com", "sub": "42", "email": "Jane@example.com", "preferred_username": "jane",
	}}
	token := func(name, owner string) *access.Caller {
		return &access.Caller{Name: name, Method: access.MethodToken, Extra: map[string][]string{"owner": {owner}}}
	}
	for what, c := range map[string]struct {
		asks, approves *access.Caller
		own            bool
	}{
		"a token of the same name":           {jane, token("GitLab:Jane", "ops"), true},
		"a token whose owner has the name":   {jane, token("approver", "jane"), true},
		"a token whose owner has the mail":   {jane, token("approver", "jane@EXAMPLE.com"), true},
		"two tokens of an owner":             {token("a", "jane"), token("b", "jane"), true},
		"a certificate of the same name":     {jane, &access.Caller{Name: "gitlab:jane", Method: access.MethodCertificate}, true},
		"an issuer with the same id of them": {jane, &access.Caller{Name: "ci:7", Issuer: "ci", Method: access.MethodOIDC, Claims: map[string]any{"iss": "https://gitlab.example.com", "sub": "42"}}, true},
		"the same id of another issuer":      {jane, &access.Caller{Name: "idp:7", Issuer: "idp", Method: access.MethodOIDC, Claims: map[string]any{"iss": "https://idp.example.com", "sub": "42"}}, false},
		"another person":                     {jane, lead, false},
		"a token of another owner":           {jane, token("approver", "ops"), false},
		"long names that differ at the end":  {token(strings.Repeat("x", 300)+"a", ""), token(strings.Repeat("x", 300)+"b", ""), false},
	} {
		d := open(t, filepath.Join(t.TempDir(), "approvals.json"))
		r := ask(t, d, c.asks, time.Hour)
		d = open(t, d.store.(*fileStore).path) // as after a restart
		_, err := d.Decide(t.Context(), r.ID, c.approves, true, "")
		if errors.Is(err, ErrOwn) != c.own {
			t.Errorf("%s: %v", what, err)
		}
		if c.own {
			if _, err := d.Decide(t.Context(), r.ID, c.approves, false, ""); err != nil {
				t.Errorf("%s denies: %v", what, err)
			}
		}
	}
}
