package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// Layout is a directory that [Init] wrote: everything that a first
// installation needs, from the operator's keys to an agent's credentials.
//
//	operator.jwt           the operator, self-signed
//	system.jwt             the system account
//	jwt/<ACCOUNT>.jwt      the resolver's directory, one file per account
//	keys/operator.nk       the operator's identity; signs nothing but itself
//	keys/operator-signing.nk          signs accounts
//	keys/system.nk, system-signing.nk the system account and its users
//	keys/tenants/<tenant>/account.nk  a tenant's identity; signs no users
//	keys/tenants/<tenant>/agent.nk    signs the tenant's agents (scoped)
//	keys/platform.nk                  the identity of the platform's account
//	keys/store.nk          signs bridges in the platform's account (scoped)
//	keys/steward.nk        signs those who administer the streams there (scoped)
//	keys/bridge.nk         signs bridges in every tenant (scoped)
//	store/                 what bridges share, on this node
//	store.account          the public key of the platform's account
//	creds/<cluster>.<tenant>.creds    an agent's credentials
//	tls/ca.crt, ca.key, server.crt, server.key
//	guard.creds            a user of the system account that is notified of new connections
//	broker.yaml, bridge.yaml          configuration of the two binaries
//	tenants.yaml           tenant name: account public key
//	tokens.yaml, token     the bridge's hashed tokens; the first one in plain
//
// A broker needs operator.jwt, jwt, guard.creds, store and tls of it, a bridge tls, keys/bridge.nk,
// keys/store.nk, tenants.yaml and tokens.yaml. The rest belongs in a safe.
//
// Methods read the files again each time. Those that write must not run at the
// same time in several processes.
type Layout struct{ dir string }

// Modes of what [Init] writes. Public files are readable by others, since
// agents and kubectl need the CA; the directory around them is not.
const (
	dirMode    = 0o700
	secretMode = 0o600
	publicMode = 0o644
)

// At names the files of a directory without looking whether they are there.
func At(dir string) *Layout { return &Layout{dir: dir} }

// OpenLayout opens a directory that [Init] wrote.
func OpenLayout(dir string) (*Layout, error) {
	l := &Layout{dir: dir}
	if _, err := os.Stat(l.OperatorFile()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open %s: no operator.jwt in it; 'fairlead-broker init --dir %s' makes one", dir, dir)
		}
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return l, nil
}

// Dir is the directory.
func (l *Layout) Dir() string { return l.dir }

// OperatorFile is the operator's JWT.
func (l *Layout) OperatorFile() string { return filepath.Join(l.dir, "operator.jwt") }

// ResolverDir holds the account JWTs. It is one node's: see [Config].
func (l *Layout) ResolverDir() string { return filepath.Join(l.dir, "jwt") }

// StoreDir is one node's part of what bridges share: see [Config].
func (l *Layout) StoreDir() string { return filepath.Join(l.dir, "store") }

// StoreAccountFile holds the public key of the platform's account, and no newline.
func (l *Layout) StoreAccountFile() string { return filepath.Join(l.dir, "store.account") }

// CAFile is the certificate of the private CA, which clients verify against.
func (l *Layout) CAFile() string { return filepath.Join(l.dir, "tls", "ca.crt") }

// ServerCertFile is the certificate of broker and bridge.
func (l *Layout) ServerCertFile() string { return filepath.Join(l.dir, "tls", "server.crt") }

// ServerKeyFile is the key of [Layout.ServerCertFile].
func (l *Layout) ServerKeyFile() string { return filepath.Join(l.dir, "tls", "server.key") }

// BridgeKeyFile is the seed that signs bridges in every tenant.
func (l *Layout) BridgeKeyFile() string { return filepath.Join(l.dir, "keys", "bridge.nk") }

// TenantsFile maps tenant names to account public keys.
func (l *Layout) TenantsFile() string { return filepath.Join(l.dir, "tenants.yaml") }

// TokensFile holds the bridge's hashed tokens.
func (l *Layout) TokensFile() string { return filepath.Join(l.dir, "tokens.yaml") }

// TokenFile holds the first token in plain.
func (l *Layout) TokenFile() string { return filepath.Join(l.dir, "token") }

// CredsFile is where the credentials of a cluster's agent are kept.
func (l *Layout) CredsFile(tenant, cluster string) string {
	return filepath.Join(l.CredsDir(), cluster+"."+tenant+".creds")
}

// GuardCredsFile holds a user of the system account that may hear connect
// events and nothing else: see [Config].
func (l *Layout) GuardCredsFile() string { return filepath.Join(l.dir, "guard.creds") }

// CredsDir is where the credentials of clusters' agents are kept.
func (l *Layout) CredsDir() string { return filepath.Join(l.dir, "creds") }

// SystemFile is the JWT of the system account as [Init] made it.
func (l *Layout) SystemFile() string { return filepath.Join(l.dir, "system.jwt") }

// AccountFile is an account's JWT in the resolver's directory; key is the
// account's public key.
func (l *Layout) AccountFile(key string) string { return filepath.Join(l.ResolverDir(), key+".jwt") }

// KeyFile is the file of a seed, named as in [Layout] by its path below keys.
func (l *Layout) KeyFile(name ...string) string {
	return filepath.Join(append([]string{l.dir, "keys"}, name...)...)
}

// AgentKeyFile is the seed that signs the agents of a tenant.
func (l *Layout) AgentKeyFile(tenant string) string { return l.KeyFile("tenants", tenant, "agent.nk") }

func (l *Layout) caKeyFile() string { return filepath.Join(l.dir, "tls", "ca.key") }

// Operator returns the operator's claims.
func (l *Layout) Operator() (*jwt.OperatorClaims, error) {
	b, err := os.ReadFile(l.OperatorFile())
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	claims, err := jwt.DecodeOperatorClaims(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("operator: %s: %w", l.OperatorFile(), err)
	}
	return claims, nil
}
