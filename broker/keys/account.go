package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxTenantConns bounds the connections of one tenant on the whole cluster
	// of brokers.
	maxTenantConns = 20_000
	// MaxAgentSubs bounds the subscriptions of one agent connection; an agent
	// needs two.
	MaxAgentSubs = 256
)

// TenantClaims is a tenant's account: everything denied to whoever is not
// signed by one of the two roles, no bearer tokens, no JetStream, nothing
// shared with other accounts.
func TenantClaims(name, account, agentKey, bridgeKey string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(account)
	c.Name = name
	c.DefaultPermissions.Pub.Deny.Add(">")
	c.DefaultPermissions.Sub.Deny.Add(">")
	c.Limits.DisallowBearer = true
	c.Limits.Conn = maxTenantConns
	c.Limits.LeafNodeConn = 0
	c.Limits.Imports = 0
	c.Limits.Exports = 0
	c.Limits.WildcardExports = false
	c.SigningKeys.AddScopedSigner(AgentScope(agentKey))
	c.SigningKeys.AddScopedSigner(BridgeScope(bridgeKey))
	return c
}

func AgentScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleAgent
	s.Description = "agents: the user's name is the cluster's name"
	s.Template.Sub.Allow.Add(subjects.AgentAllowSub)
	s.Template.Sub.Deny.Add(subjects.AgentDenySub)
	s.Template.Pub.Allow.Add(subjects.AgentAllowPub)
	s.Template.Pub.Deny.Add(subjects.AgentDenyPub, subjects.AgentDenyNoResponders)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	s.Template.Subs = MaxAgentSubs
	return s
}

func BridgeScope(key string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = key
	s.Role = subjects.RoleBridge
	s.Description = "bridges: the user's name is the bridge's id"
	s.Template.Pub.Allow.Add(subjects.BridgeAllowPub)
	s.Template.Sub.Allow.Add(subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard)
	return s
}

// systemClaims is the system account, with the exports that nsc gives it.
func systemClaims(account, signingKey string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(account)
	c.Name = "SYS"
	c.SigningKeys.Add(signingKey)
	c.Exports = jwt.Exports{
		{
			Name: "account-monitoring-services", Subject: "$SYS.REQ.ACCOUNT.*.*",
			Type: jwt.Service, ResponseType: jwt.ResponseTypeStream, AccountTokenPosition: 4,
			Info: jwt.Info{
				Description: "Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO",
				InfoURL:     "https://docs.nats.io/nats-server/configuration/sys_accounts",
			},
		},
		{
			Name: "account-monitoring-streams", Subject: "$SYS.ACCOUNT.*.>",
			Type: jwt.Stream, AccountTokenPosition: 3,
			Info: jwt.Info{
				Description: "Account specific monitoring stream",
				InfoURL:     "https://docs.nats.io/nats-server/configuration/sys_accounts",
			},
		},
	}
	return c
}

// AddTenant makes a tenant: its keys, its account JWT in the resolver's
// directory, its line in tenants.yaml. A running broker learns of it by
// [Layout.Push]. The name must be a DNS label that is not in use.
func (l *Layout) AddTenant(name string) (accountJWT string, err error) {
	if err := subjects.CheckName(name); err != nil {
		return "", fmt.Errorf("tenant %w", err)
	}
	tenants, err := l.Tenants()
	if err != nil {
		return "", err
	}
	if _, exists := tenants[name]; exists {
		return "", fmt.Errorf("tenant %q exists in %s; to tell brokers of it: fairlead-broker push --dir %s --tenant %s --server URL", name, l.TenantsFile(), l.dir, name)
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer signer.Wipe()
	bridge, err := ReadKey(l.BridgeKeyFile())
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer bridge.Wipe()
	bridgeKey, err := bridge.PublicKey()
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	keys := l.KeyFile("tenants", name)
	if err := os.MkdirAll(filepath.Dir(keys), dirMode); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	if err := os.Mkdir(keys, dirMode); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(keys))
		}
	}()
	account, err := l.newKey(nkeys.CreateAccount, "tenants", name, "account.nk")
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	agentKey, err := l.newKey(nkeys.CreateAccount, "tenants", name, "agent.nk")
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	accountJWT, err = l.SignAccount(TenantClaims(name, account, agentKey, bridgeKey), signer)
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	if err := l.appendTenant(name, account); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	return accountJWT, nil
}

// RevokeUser adds a revocation to a tenant's account, signs it again and
// writes it to the resolver's directory. user is the user's public key (U...).
// A running broker learns of it by [Layout.Push], and then cuts the user's
// connections. Other users of the tenant notice nothing.
func (l *Layout) RevokeUser(tenant, user string) (accountJWT string, err error) {
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("revoke: %q is not a user's public key (U and 55 more characters)", user)
	}
	account, err := l.account(tenant)
	if err != nil {
		return "", err
	}
	claims, err := ReadAccount(l.AccountFile(account))
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	defer signer.Wipe()
	claims.RevokeAt(user, time.Now())
	accountJWT, err = l.SignAccount(claims, signer)
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	return accountJWT, nil
}

// AccountJWT is a tenant's account as the directory has it, for [Layout.Push].
func (l *Layout) AccountJWT(tenant string) (string, error) {
	account, err := l.account(tenant)
	if err != nil {
		return "", err
	}
	token, err := ReadToken(l.AccountFile(account))
	if err != nil {
		return "", fmt.Errorf("account of tenant %q: %w", tenant, err)
	}
	return token, nil
}

// RevokeCluster revokes the user in a cluster's kept credentials, as
// [Layout.RevokeUser] does, and puts ".revoked" after the file's name. Where
// that has been done it revokes the same user again, so that a caller whose
// push failed can repeat both.
func (l *Layout) RevokeCluster(tenant, cluster string) (user, accountJWT string, err error) {
	if err := subjects.CheckName(cluster); err != nil {
		return "", "", fmt.Errorf("cluster %w", err)
	}
	if err := subjects.CheckName(tenant); err != nil {
		return "", "", fmt.Errorf("tenant %w", err)
	}
	file := l.CredsFile(tenant, cluster)
	revoked := file + ".revoked"
	claims, err := ReadCreds(file)
	again := errors.Is(err, fs.ErrNotExist)
	if again {
		claims, err = ReadCreds(revoked)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("revoke: no credentials of the cluster are kept, neither %s nor %s; --user takes the user's public key instead", file, revoked)
	}
	if err != nil {
		return "", "", fmt.Errorf("revoke: %w", err)
	}
	accountJWT, err = l.RevokeUser(tenant, claims.Subject)
	if err != nil {
		return "", "", err
	}
	if again {
		return claims.Subject, accountJWT, nil
	}
	if err := os.Rename(file, revoked); err != nil {
		return "", "", fmt.Errorf("revoke: %w", err)
	}
	return claims.Subject, accountJWT, nil
}

// SignAccount signs claims and writes them to the resolver's directory. Claims
// that were signed before are signed in a later second: resolvers take two JWTs
// of one account and one second for the same.
func (l *Layout) SignAccount(claims *jwt.AccountClaims, signer nkeys.KeyPair) (accountJWT string, err error) {
	if claims.IssuedAt != 0 {
		time.Sleep(time.Until(time.Unix(claims.IssuedAt+1, 0)))
	}
	accountJWT, err = claims.Encode(signer)
	if err != nil {
		return "", fmt.Errorf("account %s: %w", claims.Name, err)
	}
	if err := replaceFile(l.AccountFile(claims.Subject), []byte(accountJWT), publicMode); err != nil {
		return "", fmt.Errorf("account %s: %w", claims.Name, err)
	}
	return accountJWT, nil
}

// newKey makes a key pair, keeps its seed and returns its public key.
func (l *Layout) newKey(create func() (nkeys.KeyPair, error), path ...string) (public string, err error) {
	pair, err := create()
	if err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	defer clear(seed)
	if err := writeNew(l.KeyFile(path...), append(seed, '\n'), secretMode); err != nil {
		return "", fmt.Errorf("new key: %w", err)
	}
	return pair.PublicKey()
}
