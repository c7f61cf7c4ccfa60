package brokertest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
)

// NewLayout is a directory with tenant acme and its cluster prod.
func NewLayout(t *testing.T) *keys.Layout {
	t.Helper()
	l, err := keys.Init(keys.InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: "acme", Cluster: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Operator is the claims of the directory's operator.
func Operator(t *testing.T, l *keys.Layout) *jwt.OperatorClaims {
	t.Helper()
	op, err := l.Operator()
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// Account is the public key of a tenant's account.
func Account(t *testing.T, l *keys.Layout, tenant string) string {
	t.Helper()
	tenants, err := l.Tenants()
	if err != nil || tenants[tenant] == "" {
		t.Fatalf("tenant %q: %v, %v", tenant, tenants, err)
	}
	return tenants[tenant]
}

// PublicKey is the public key of a seed's file.
func PublicKey(t *testing.T, file string) string {
	t.Helper()
	pair, err := keys.ReadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// Write writes a file that only its owner can read.
func Write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Remove removes a file that must be there.
func Remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// AgentCreds mints credentials for a cluster's agent.
func AgentCreds(t *testing.T, l *keys.Layout, tenant, cluster string) []byte {
	t.Helper()
	creds, err := l.MintAgent(tenant, cluster, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// CredsNamed mints an agent with a name that MintAgent would refuse.
func CredsNamed(t *testing.T, l *keys.Layout, tenant, name string) []byte {
	t.Helper()
	return mint(t, l, l.AgentKeyFile(tenant), tenant, name)
}

// BridgeCreds mints a bridge.
func BridgeCreds(t *testing.T, l *keys.Layout, tenant, id string) []byte {
	t.Helper()
	return mint(t, l, l.BridgeKeyFile(), tenant, id)
}

// StoreCreds makes credentials of a bridge in the account of the platform.
func StoreCreds(t *testing.T, l *keys.Layout, id string) []byte {
	t.Helper()
	account, _, err := l.Platform()
	if err != nil {
		t.Fatal(err)
	}
	return mintIn(t, l.StoreKeyFile(), account, id)
}

func mint(t *testing.T, l *keys.Layout, keyFile, tenant, name string) []byte {
	t.Helper()
	return mintIn(t, keyFile, Account(t, l, tenant), name)
}

func mintIn(t *testing.T, keyFile, account, name string) []byte {
	t.Helper()
	signer, err := keys.ReadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := keys.MintUser(signer, account, name, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// SystemCreds makes a user of the system account with these claims.
func SystemCreds(t *testing.T, l *keys.Layout, claims *jwt.UserClaims) []byte {
	t.Helper()
	token, user, err := l.MintSystemUser(claims)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// UserOf is the public key of the user in credentials.
func UserOf(t *testing.T, creds []byte) string {
	t.Helper()
	token, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}

// Sign signs an account again by a key of the operator's.
func Sign(t *testing.T, l *keys.Layout, claims *jwt.AccountClaims, keyFile string) {
	t.Helper()
	signer, err := keys.ReadKey(l.KeyFile(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	claims.IssuedAt = 0 // no need to wait for the next second
	if _, err := l.SignAccount(claims, signer); err != nil {
		t.Fatal(err)
	}
}

// CarelessAccount changes the templates of acme's agents to those that a
// wildcard or a dot in a name breaks out of.
func CarelessAccount(t *testing.T, l *keys.Layout) (accountJWT string) {
	t.Helper()
	claims, err := keys.ReadAccount(l.AccountFile(Account(t, l, "acme")))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range claims.SigningKeys.Keys() {
		scope, _ := claims.SigningKeys.GetScope(key)
		if s, ok := scope.(*jwt.UserScope); ok && s.Role == subjects.RoleAgent {
			s.Template.Permissions = jwt.Permissions{}
			s.Template.Sub.Allow.Add("down.{{name()}}.>")
			s.Template.Pub.Allow.Add("up.*.{{name()}}.>")
		}
	}
	signer, err := keys.ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		t.Fatal(err)
	}
	accountJWT, err = l.SignAccount(claims, signer)
	if err != nil {
		t.Fatal(err)
	}
	return accountJWT
}

// NewAccountKey makes the public key of an account signing key that nobody has.
func NewAccountKey(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}
