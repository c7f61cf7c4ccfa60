package nsc

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness"
)

// claims is the keeper that uses jwt/v2 to make what nsc makes.
type claims struct {
	place    place
	ca       string
	identity nkeys.KeyPair
	operator *jwt.OperatorClaims
	signers  []nkeys.KeyPair // the operator's, the one in use first
	system   *account
	tenants  map[string]*account
	platform *account // nil until it is made
	bridges  []string // public keys of role bridge, the newest last
}

// account is an account whose keys the keeper has.
type account struct {
	claims *jwt.AccountClaims
	agents []nkeys.KeyPair // the newest last; of the system account its signing key, of the platform's those of role store
	users  map[string]*user
}

type user struct {
	key    string   // public
	issuer string   // of the present credentials
	old    []string // replaced and not yet revoked
}

func newClaims(_ *testing.T, p place, ca string, _ harness.Binaries) keeper {
	return &claims{place: p, ca: ca, tenants: map[string]*account{}}
}

func (c *claims) do(t *testing.T, script string, args ...string) {
	t.Helper()
	commands := map[string]func(...string) error{
		"operator": c.makeOperator, "tenant": c.makeTenant, "push": c.push,
		"agent": c.agent, "agent-rotate": c.rotateAgent, "agent-retire": c.retireAgent, "agent-revoke": c.revokeAgent,
		"role-rotate": c.rotateRole, "role-retire": c.retireRole,
		"platform": c.makePlatform, "bridge-rotate": c.rotateBridge, "bridge-retire": c.retireBridge,
		"operator-key-add": c.addSigner, "operator-key-use": c.useSigner, "operator-key-remove": c.removeSigner,
	}
	if err := commands[script](args...); err != nil {
		t.Fatalf("%s %q: %v", script, args, err)
	}
}

func (c *claims) makeOperator(args ...string) error {
	c.identity = newKey(nkeys.CreateOperator)
	c.signers = []nkeys.KeyPair{newKey(nkeys.CreateOperator)}
	systemKey, signing := newKey(nkeys.CreateAccount), newKey(nkeys.CreateAccount)

	c.operator = jwt.NewOperatorClaims(public(c.identity))
	c.operator.Name = "fairlead"
	c.operator.StrictSigningKeyUsage = true
	c.operator.AccountServerURL = args[0]
	c.operator.SystemAccount = public(systemKey)
	c.operator.SigningKeys.Add(public(c.signers[0]))

	system := jwt.NewAccountClaims(public(systemKey))
	system.Name = "SYS"
	system.SigningKeys.Add(public(signing))
	c.system = &account{claims: system, agents: []nkeys.KeyPair{signing}}

	guard := jwt.NewUserClaims("pending") // the subject comes with its key
	guard.Name = "guard"
	guard.Permissions.Pub.Deny.Add(">")
	guard.Permissions.Sub.Allow.Add("$SYS.ACCOUNT.*.CONNECT")
	if _, err := c.system.write(guard, signing, c.place.guardCreds()); err != nil {
		return err
	}
	return errors.Join(c.newBridge(), c.writeConfig())
}

func (c *claims) newBridge() error {
	key := newKey(nkeys.CreateAccount)
	c.bridges = append(c.bridges, public(key))
	return writeSeed(key, c.place.bridgeKey())
}

func writeSeed(key nkeys.KeyPair, file string) error {
	seed, err := key.Seed()
	return errors.Join(err, os.WriteFile(file, append(seed, '\n'), 0o600))
}

func (c *claims) makeTenant(args ...string) error {
	name := args[0]
	a := newAccount(name)
	a.addAgentRole(subjects.RoleAgent)
	a.addBridgeRole(subjects.RoleBridge, c.bridges[len(c.bridges)-1])
	c.tenants[name] = a
	f, err := os.OpenFile(c.place.tenants(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s: %s\n", name, a.claims.Subject)
	return errors.Join(err, f.Close())
}

func newAccount(name string) *account {
	a := &account{claims: jwt.NewAccountClaims(public(newKey(nkeys.CreateAccount))), users: map[string]*user{}}
	a.claims.Name = name
	a.claims.DefaultPermissions.Pub.Deny.Add(">")
	a.claims.DefaultPermissions.Sub.Deny.Add(">")
	a.claims.Limits.DisallowBearer = true
	a.claims.Limits.Conn = 20000
	a.claims.Limits.LeafNodeConn = 0
	a.claims.Limits.Imports, a.claims.Limits.Exports, a.claims.Limits.WildcardExports = 0, 0, false
	return a
}

// makePlatform does what platform.sh does, or with rotate or retire its second part.
func (c *claims) makePlatform(args ...string) error {
	switch {
	case len(args) == 0:
		c.platform = newAccount(subjects.StoreAccount)
		c.platform.claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, Streams: 16, Consumer: 64, MaxBytesRequired: true}
		if err := os.WriteFile(c.place.storeAccount(), []byte(c.platform.claims.Subject), 0o600); err != nil {
			return err
		}
		s := jwt.NewUserScope()
		s.Key, s.Role = public(newKey(nkeys.CreateAccount)), subjects.RoleSteward
		s.Template.Pub.Allow.Add(subjects.StewardAllowPub()...)
		s.Template.Sub.Allow.Add(subjects.StewardAllowSub()...)
		s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard)
		c.platform.claims.SigningKeys.AddScopedSigner(s)
		return c.addStoreRole(subjects.RoleStore)
	case args[0] == "rotate":
		return c.addStoreRole(fmt.Sprintf("%s-v%d", subjects.RoleStore, len(c.platform.agents)+1))
	default:
		keys := c.platform.agents
		for _, old := range keys[:len(keys)-1] {
			delete(c.platform.claims.SigningKeys, public(old))
		}
		return nil
	}
}

func (c *claims) addStoreRole(role string) error {
	key := newKey(nkeys.CreateAccount)
	c.platform.agents = append(c.platform.agents, key)
	s := jwt.NewUserScope()
	s.Key, s.Role = public(key), role
	s.Description = "bridges: the user's name is the bridge's id"
	s.Template.Pub.Allow.Add(subjects.StoreAllowPub()...)
	s.Template.Sub.Allow.Add(subjects.StoreAllowSub()...)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard)
	c.platform.claims.SigningKeys.AddScopedSigner(s)
	return writeSeed(key, c.place.storeKey())
}

func (a *account) addAgentRole(role string) {
	key := newKey(nkeys.CreateAccount)
	a.agents = append(a.agents, key)
	s := jwt.NewUserScope()
	s.Key, s.Role = public(key), role
	s.Description = "agents: the user's name is the cluster's name"
	s.Template.Sub.Allow.Add(subjects.AgentAllowSub)
	s.Template.Sub.Deny.Add(subjects.AgentDenySub)
	s.Template.Pub.Allow.Add(subjects.AgentAllowPub)
	s.Template.Pub.Deny.Add(subjects.AgentDenyPub, subjects.AgentDenyNoResponders)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	s.Template.Subs = 256
	a.claims.SigningKeys.AddScopedSigner(s)
}

func (a *account) addBridgeRole(role, key string) {
	s := jwt.NewUserScope()
	s.Key, s.Role = key, role
	s.Description = "bridges: the user's name is the bridge's id"
	s.Template.Pub.Allow.Add(subjects.BridgeAllowPub)
	s.Template.Sub.Allow.Add(subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard)
	a.claims.SigningKeys.AddScopedSigner(s)
}

// agent takes nsc's "1m" as the expiry.
func (c *claims) agent(args ...string) error {
	expires := time.Time{}
	if len(args) == 4 {
		d, err := time.ParseDuration(args[3])
		if err != nil {
			return err
		}
		expires = time.Now().Add(d)
	}
	return c.mint(args[0], args[1], expires)
}

func (c *claims) mint(tenant, cluster string, expires time.Time) error {
	a := c.tenants[tenant]
	signer := a.agents[len(a.agents)-1]
	u := jwt.NewUserClaims("pending")
	u.Name = cluster
	u.SetScoped(true)
	if !expires.IsZero() {
		u.Expires = expires.Unix()
	}
	key, err := a.write(u, signer, c.place.creds(tenant, cluster))
	if err != nil {
		return err
	}
	was := a.users[cluster]
	a.users[cluster] = &user{key: key, issuer: public(signer)}
	if was != nil {
		a.users[cluster].old = append(was.old, was.key)
	}
	return nil
}

// write gives a user a key, signs its claims and writes its credentials.
func (a *account) write(u *jwt.UserClaims, signer nkeys.KeyPair, file string) (key string, err error) {
	pair := newKey(nkeys.CreateUser)
	u.Subject, u.IssuerAccount = public(pair), a.claims.Subject
	token, err := u.Encode(signer)
	if err != nil {
		return "", err
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(file+".new", creds, 0o600); err != nil {
		return "", err
	}
	return u.Subject, os.Rename(file+".new", file)
}

func (c *claims) rotateAgent(args ...string) error { return c.mint(args[0], args[1], time.Time{}) }

func (c *claims) retireAgent(args ...string) error {
	u := c.tenants[args[0]].users[args[1]]
	old := u.old
	u.old = nil
	return c.revoke(args[0], old...)
}

func (c *claims) revokeAgent(args ...string) error {
	a := c.tenants[args[0]]
	u := a.users[args[1]]
	delete(a.users, args[1])
	return errors.Join(c.revoke(args[0], append(u.old, u.key)...), os.Remove(c.place.creds(args[0], args[1])))
}

func (c *claims) revoke(tenant string, users ...string) error {
	for _, u := range users {
		c.tenants[tenant].claims.Revoke(u)
	}
	return c.push(tenant)
}

func (c *claims) rotateRole(args ...string) error {
	a := c.tenants[args[0]]
	a.addAgentRole(fmt.Sprintf("%s-v%d", subjects.RoleAgent, len(a.agents)+1))
	return nil
}

func (c *claims) retireRole(args ...string) error {
	a := c.tenants[args[0]]
	newest := a.agents[len(a.agents)-1]
	for name, u := range a.users {
		if u.issuer != public(newest) {
			return fmt.Errorf("cluster %s has credentials of an old key", name)
		}
	}
	for _, old := range a.agents[:len(a.agents)-1] {
		delete(a.claims.SigningKeys, public(old))
	}
	return nil
}

func (c *claims) rotateBridge(...string) error {
	if err := c.newBridge(); err != nil {
		return err
	}
	for _, a := range c.tenants {
		a.addBridgeRole(fmt.Sprintf("%s-v%d", subjects.RoleBridge, len(c.bridges)), c.bridges[len(c.bridges)-1])
	}
	return nil
}

func (c *claims) retireBridge(...string) error {
	for _, a := range c.tenants {
		for _, old := range c.bridges[:len(c.bridges)-1] {
			delete(a.claims.SigningKeys, old)
		}
	}
	return nil
}

func (c *claims) addSigner(...string) error {
	c.signers = append(c.signers, newKey(nkeys.CreateOperator))
	c.operator.SigningKeys.Add(public(c.signers[1]))
	return c.writeConfig()
}

func (c *claims) useSigner(...string) error {
	slices.Reverse(c.signers)
	return c.writeConfig()
}

func (c *claims) removeSigner(...string) error {
	c.operator.SigningKeys.Remove(public(c.signers[1]))
	c.signers = c.signers[:1]
	return c.writeConfig()
}

// push signs accounts again and sends them, as nsc push does.
func (c *claims) push(tenants ...string) error {
	accounts := maps.Clone(c.tenants)
	if c.platform != nil {
		accounts[c.platform.claims.Name] = c.platform
	}
	if len(tenants) == 0 {
		tenants = slices.Sorted(maps.Keys(accounts))
	}
	u := jwt.NewUserClaims("pending")
	u.Name, u.Expires = "push", time.Now().Add(time.Minute).Unix()
	creds := c.place.file("push.creds")
	if _, err := c.system.write(u, c.system.agents[0], creds); err != nil {
		return err
	}
	conn, err := nats.Connect(c.operator.AccountServerURL, nats.UserCredentials(creds), nats.RootCAs(c.ca), nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, name := range tenants {
		token, err := c.sign(accounts[name].claims)
		if err != nil {
			return err
		}
		answer, err := conn.Request("$SYS.REQ.CLAIMS.UPDATE", []byte(token), 5*time.Second)
		if err != nil {
			return err
		}
		if strings.Contains(string(answer.Data), `"error"`) {
			return fmt.Errorf("push %s: %s", name, answer.Data)
		}
	}
	return nil
}

// sign waits for the next second, since brokers treat two JWTs of one account and
// one second as the same.
func (c *claims) sign(a *jwt.AccountClaims) (string, error) {
	if a.IssuedAt != 0 {
		time.Sleep(time.Until(time.Unix(a.IssuedAt+1, 0)))
	}
	return a.Encode(c.signers[0])
}

func (c *claims) writeConfig() error {
	operator, err := c.operator.Encode(c.identity)
	if err != nil {
		return err
	}
	system, err := c.sign(c.system.claims)
	if err != nil {
		return err
	}
	key := c.system.claims.Subject
	text := fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver { type: full, dir: './jwt', allow_delete: false, interval: \"2m\", timeout: \"1.9s\" }\nresolver_preload: { %s: %s }\n",
		operator, key, key, system)
	return os.WriteFile(c.place.resolverConf(), []byte(text), 0o600)
}

func newKey(create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	pair, err := create()
	if err != nil {
		panic(err) // no randomness
	}
	return pair
}

func public(pair nkeys.KeyPair) string {
	key, err := pair.PublicKey()
	if err != nil {
		panic(err) // wiped
	}
	return key
}
