package keys

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

// nscWrote is what nsc itself wrote: see the README.md there.
var nscWrote = filepath.Join("..", "testdata", "nsc")

// TestClaimsAreAsNSCWroteThem holds what Init and its kin make against what the
// scripts of deploy/nsc made, field by field: only keys, names and times differ.
func TestClaimsAreAsNSCWroteThem(t *testing.T) {
	l := newLayout(t)
	store := func(parts ...string) string { return filepath.Join(append([]string{nscWrote, "store"}, parts...)...) }
	accountOf := func(file string) *jwt.AccountClaims {
		claims, err := ReadAccount(file)
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	userOfStore := func(file string) *jwt.UserClaims {
		token, err := ReadToken(file)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := jwt.DecodeUserClaims(token)
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	token, err := ReadToken(store("throwaway.jwt"))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := jwt.DecodeOperatorClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := ReadCreds(l.GuardCredsFile())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := ReadCreds(l.CredsFile("acme", "prod"))
	if err != nil {
		t.Fatal(err)
	}
	own := mustOperator(t, l)
	for _, c := range []struct {
		what      string
		nsc, ours jwt.Claims
	}{
		{"operator", operator, own},
		{"system account", accountOf(store("accounts", "SYS", "SYS.jwt")), accountOf(l.AccountFile(own.SystemAccount))},
		{"tenant", accountOf(store("accounts", "acme", "acme.jwt")), accountOf(l.AccountFile(mustAccount(t, l, "acme")))},
		{"guard", userOfStore(store("accounts", "SYS", "users", "guard.jwt")), guard},
		{"agent", userOfStore(store("accounts", "acme", "users", "prod.jwt")), agent},
	} {
		nsc, ours := shape(t, c.nsc), shape(t, c.ours)
		if c.what == "operator" {
			delete(ours, "operator_service_urls") // for people only
		}
		compare(t, c.what, nsc, ours)
	}
}

// shape is what a JWT says, without keys and what else differs from one
// operator to the next.
func shape(t *testing.T, claims jwt.Claims) map[string]any {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		NATS map[string]any `json:"nats"`
	}
	// Every operator, account and user key.
	text := regexp.MustCompile(`"[OAU][A-Z2-7]{55}"`).ReplaceAllString(string(b), `"KEY"`)
	text = regexp.MustCompile(`"nats://[^"]*"`).ReplaceAllString(text, `"URL"`)
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return sorted(all.NATS).(map[string]any)
}

// sorted orders lists, whose order says nothing.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = sorted(value)
		}
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

func compare(t *testing.T, at string, nsc, ours any) {
	t.Helper()
	a, okA := nsc.(map[string]any)
	b, okB := ours.(map[string]any)
	if !okA || !okB {
		if !reflect.DeepEqual(nsc, ours) {
			t.Errorf("%s: nsc wrote %v, we write %v", at, nsc, ours)
		}
		return
	}
	for key := range a {
		compare(t, at+"."+key, a[key], b[key])
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			t.Errorf("%s.%s: nsc wrote nothing, we write %v", at, key, b[key])
		}
	}
}

// TestScriptsAgree: the templates stand in the scripts, in documents and in
// package subjects, and must be the same everywhere.
func TestScriptsAgree(t *testing.T) {
	flag := regexp.MustCompile(`--(allow|deny)-(pub|sub|pubsub) +'([^']*)'`)
	values := func(file string) (list []string) {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range flag.FindAllStringSubmatch(string(b), -1) {
			list = append(list, m[1]+" "+m[2]+" "+m[3])
		}
		slices.Sort(list)
		return list
	}
	roles := []string{
		"allow sub " + subjects.AgentAllowSub, "allow pub " + subjects.AgentAllowPub,
		"deny sub " + subjects.AgentDenySub, "deny pub " + subjects.AgentDenyPub + "," + subjects.AgentDenyNoResponders,
		"allow pub " + subjects.BridgeAllowPub, "allow sub " + subjects.BridgeAllowSub + "," + subjects.BridgeAllowSubPresence,
		"allow sub " + strings.Join(subjects.StewardAllowSub(), ","),
	}
	slices.Sort(roles)
	if got := values("deploy/nsc/lib.sh"); !slices.Equal(got, roles) {
		t.Errorf("deploy/nsc/lib.sh has %q, want %q", got, roles)
	}
	others := []string{"deny pubsub >", "deny pub >", "allow sub " + ConnectEvents}
	for _, file := range []string{"README.md", "deploy/nsc/README.md", "deploy/nsc/operator.sh", "deploy/nsc/tenant.sh", "deploy/nsc/platform.sh"} {
		for _, v := range values(file) {
			if !slices.Contains(slices.Concat(roles, others), v) {
				t.Errorf("%s has %q, which is not in package subjects", file, v)
			}
		}
	}
	lib, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nsc", "lib.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for name, subjects := range map[string][]string{"steward_pub": subjects.StewardAllowPub(), "store_pub": subjects.StoreAllowPub()} {
		if want := name + "=(\n\t'" + strings.Join(subjects, "'\n\t'") + "'\n)"; !strings.Contains(string(lib), want) {
			t.Errorf("deploy/nsc/lib.sh does not have %s", want)
		}
	}
	for _, s := range []*jwt.UserScope{AgentScope(someKey), BridgeScope(someKey), StoreScope(someKey), StewardScope(someKey)} {
		for _, want := range []string{
			"--conn-type " + strings.Join(s.Template.AllowedConnectionTypes, ",") + " ",
			fmt.Sprintf("--description %q", s.Description),
		} {
			if !strings.Contains(string(lib), want) {
				t.Errorf("deploy/nsc/lib.sh: role %s: no %s", s.Role, want)
			}
		}
	}
	if want := fmt.Sprintf("--subs %d ", MaxAgentSubs); !strings.Contains(string(lib), want) {
		t.Errorf("deploy/nsc/lib.sh: no %s", want)
	}
}
