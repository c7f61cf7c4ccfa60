package keys

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/fairlead-io/fairlead/subjects"
)

// withoutPlatform makes a directory as it was before there was a shared store.
func withoutPlatform(t *testing.T) *Layout {
	t.Helper()
	l := newLayout(t)
	account, _, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{l.AccountFile(account), l.PlatformKeyFile(), l.StoreKeyFile(), l.StewardKeyFile(), l.StoreAccountFile()} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestAddPlatform(t *testing.T) {
	l := withoutPlatform(t)
	if _, _, err := l.Platform(); !errors.Is(err, ErrNoPlatform) {
		t.Fatalf("an old directory has a platform account: %v", err)
	}
	if text, err := l.NATSConfig(); err != nil || strings.Contains(text, "# platform") {
		t.Errorf("configuration of an old directory: %v\n%s", err, text)
	}
	account, token, err := l.AddPlatform()
	if err != nil {
		t.Fatal(err)
	}
	again, same, err := l.AddPlatform()
	if err != nil || again != account || same != token {
		t.Errorf("added again: %s, %v; want %s as it was", again, err, account)
	}
	if b, err := os.ReadFile(l.StoreAccountFile()); err != nil || string(b) != account {
		t.Errorf("store.account holds %q, %v", b, err)
	}
	if text, err := l.NATSConfig(); err != nil || !strings.Contains(text, "# platform\n    "+account+": "+token) {
		t.Errorf("configuration: %v\n%s", err, text)
	}
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	limits := claims.Limits.JetStreamLimits
	if limits.MemoryStorage != 0 || !limits.MaxBytesRequired || limits.Streams <= 0 || limits.Consumer <= 0 {
		t.Errorf("limits %+v; want none in memory, and bounds of streams and consumers", limits)
	}
}

// An attempt that was cut off left keys: the next uses them.
func TestAddPlatformAfterACrash(t *testing.T) {
	l := withoutPlatform(t)
	store, err := l.ensureKey(l.StoreKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := l.AddPlatform()
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	if _, listed := claims.SigningKeys.GetScope(store); !listed || !hasRole(claims, subjects.RoleStore) {
		t.Errorf("signing keys %v, want %s", claims.SigningKeys.Keys(), store)
	}
}

// An account that somebody signed without the operator is not taken for the platform's,
// and no key is needed to find the one that is.
func TestPlatformIsTheOperators(t *testing.T) {
	l := withoutPlatform(t)
	other := newLayout(t)
	account, token, err := other.Platform()
	if err != nil {
		t.Fatal(err)
	}
	if err := writeNew(l.AccountFile(account), []byte(token), publicMode); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Platform(); !errors.Is(err, ErrNoPlatform) {
		t.Errorf("a foreign account is the platform's: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(other.Dir(), "keys")); err != nil {
		t.Fatal(err)
	}
	if found, _, err := other.Platform(); err != nil || found != account {
		t.Errorf("without keys: %s, %v", found, err)
	}
}

// narrowPlatform makes the account as it was when there were three streams, and returns
// its key.
func narrowPlatform(t *testing.T, l *Layout) (account string) {
	t.Helper()
	account, token, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	for key := range claims.SigningKeys {
		scope, _ := claims.SigningKeys.GetScope(key)
		role := scope.(*jwt.UserScope)
		if role.Role == subjects.RoleStore {
			role.Template.Pub.Allow, role.Template.Sub.Allow = subjects.StoreLeastPub(), subjects.StoreLeastSub()
			role.Template.AllowedConnectionTypes.Remove(jwt.ConnectionTypeWebsocket)
			continue
		}
		role.Template.Pub.Allow = slices.DeleteFunc(subjects.StewardAllowPub(), func(s string) bool {
			return strings.Contains(s, subjects.StoreEvents) || strings.Contains(s, subjects.StoreInventory)
		})
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.SignAccount(claims, signer); err != nil {
		t.Fatal(err)
	}
	return account
}

// An account of an older version gets the rights of today, under the same keys, and once.
func TestAddPlatformWidens(t *testing.T) {
	l := newLayout(t)
	_, made, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	narrow := narrowPlatform(t, l)
	account, token, err := l.AddPlatform()
	if err != nil || account != narrow {
		t.Fatalf("%s, %v; want %s", account, err, narrow)
	}
	was, err := jwt.DecodeAccountClaims(made)
	if err != nil {
		t.Fatal(err)
	}
	is, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	for key := range was.SigningKeys {
		a, _ := was.SigningKeys.GetScope(key)
		b, listed := is.SigningKeys.GetScope(key)
		if !listed {
			t.Fatalf("key %s is gone", key)
		}
		for what, of := range map[string]func(*jwt.UserScope) jwt.StringList{
			"publish": func(s *jwt.UserScope) jwt.StringList { return s.Template.Pub.Allow },
			"hear":    func(s *jwt.UserScope) jwt.StringList { return s.Template.Sub.Allow },
			"connect": func(s *jwt.UserScope) jwt.StringList { return s.Template.AllowedConnectionTypes },
		} {
			want, got := slices.Sorted(slices.Values(of(a.(*jwt.UserScope)))), slices.Sorted(slices.Values(of(b.(*jwt.UserScope))))
			if !slices.Equal(want, got) {
				t.Errorf("role %s may %s %q, want %q", a.(*jwt.UserScope).Role, what, got, want)
			}
		}
	}
	if kept, err := os.ReadFile(l.AccountFile(account)); err != nil || string(kept) != token {
		t.Errorf("the directory has another JWT: %v", err)
	}
	if _, again, err := l.AddPlatform(); err != nil || again != token {
		t.Errorf("added again: %v, another JWT: %v", err, again != token)
	}
	if err := os.Remove(l.KeyFile("operator-signing.nk")); err != nil {
		t.Fatal(err)
	}
	if _, again, err := l.AddPlatform(); err != nil || again != token {
		t.Errorf("nothing to add, without the operator's key: %v", err)
	}
}
