package agenttest

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// Broker is a nats-server in operator mode with TLS and one tenant. Its methods
// end the test where they fail.
type Broker struct {
	t        *testing.T
	Server   *natsserver.Server
	Options  *natsserver.Options
	resolver *natsserver.MemAccResolver
	operator nkeys.KeyPair
	Account  *jwt.AccountClaims
	Agents   nkeys.KeyPair // the scoped key of role agent
	Bridges  nkeys.KeyPair
	CA       *testca.CA
	CAFile   string
}

// NewBroker starts one, which is stopped with the test.
func NewBroker(t *testing.T) *Broker {
	t.Helper()
	must := func(k nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return k, public
	}
	b := &Broker{t: t, resolver: &natsserver.MemAccResolver{}, CA: testca.New(t, "broker")}
	b.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	WriteFile(t, b.CAFile, string(b.CA.PEM()))
	var operator, account, agents, bridges string
	b.operator, operator = must(nkeys.CreateOperator())
	_, account = must(nkeys.CreateAccount())
	b.Agents, agents = must(nkeys.CreateAccount())
	b.Bridges, bridges = must(nkeys.CreateAccount())
	b.Account = jwt.NewAccountClaims(account)
	scope := func(role, public string, pub, sub []string) {
		s := jwt.NewUserScope()
		s.Role, s.Key = role, public
		s.Template.Permissions.Pub.Allow.Add(pub...)
		s.Template.Permissions.Sub.Allow.Add(sub...)
		b.Account.SigningKeys.AddScopedSigner(s)
	}
	scope(subjects.RoleAgent, agents, []string{"up.*.{{name()}}.>"}, []string{"down.{{name()}}.>"})
	scope(subjects.RoleBridge, bridges, []string{"down.>"}, []string{"up.>"})
	b.Push()

	claims := jwt.NewOperatorClaims(operator)
	token, err := claims.Encode(b.operator)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err = jwt.DecodeOperatorClaims(token); err != nil {
		t.Fatal(err)
	}
	b.Options = &natsserver.Options{
		Host: "127.0.0.1", Port: freeport.For(t), NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
		TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: b.resolver,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{b.CA.Peer("broker", "broker.test")}}, TLS: true, TLSTimeout: 5,
	}
	b.Start()
	t.Cleanup(b.Stop)
	return b
}

// Start starts the server, on the port of Options.
func (b *Broker) Start() {
	b.t.Helper()
	b.Server = natsrun.Start(b.t, b.Options)
}

// Stop stops the server.
func (b *Broker) Stop() {
	natsrun.Stop(b.Server)
}

// URL is the server's tls:// URL.
func (b *Broker) URL() string { return fmt.Sprintf("tls://127.0.0.1:%d", b.Options.Port) }

// Push makes the account's claims known to the server.
func (b *Broker) Push() {
	b.t.Helper()
	token, err := b.Account.Encode(b.operator)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.resolver.Store(b.Account.Subject, token); err != nil {
		b.t.Fatal(err)
	}
	if b.Server != nil {
		a, err := b.Server.LookupAccount(b.Account.Subject)
		if err != nil {
			b.t.Fatal(err)
		}
		b.Server.UpdateAccountClaims(a, b.Account)
	}
}

// Role adds a scoped key to the tenant.
func (b *Broker) Role(name string, pub, sub []string) nkeys.KeyPair {
	b.t.Helper()
	k, err := nkeys.CreateAccount()
	if err != nil {
		b.t.Fatal(err)
	}
	s := jwt.NewUserScope()
	s.Role = name
	s.Key, _ = k.PublicKey()
	s.Template.Permissions.Pub.Allow.Add(pub...)
	s.Template.Permissions.Sub.Allow.Add(sub...)
	b.Account.SigningKeys.AddScopedSigner(s)
	b.Push()
	return k
}

// Creds writes credentials of a new user, signed by signer, and returns the file
// and the user's public key. The zero time is for no expiry.
func (b *Broker) Creds(signer nkeys.KeyPair, name string, expires time.Time) (file, public string) {
	b.t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		b.t.Fatal(err)
	}
	public, _ = user.PublicKey()
	seed, _ := user.Seed()
	claims := jwt.NewUserClaims(public)
	claims.Name, claims.IssuerAccount = name, b.Account.Subject
	claims.SetScoped(true)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(signer)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		b.t.Fatal(err)
	}
	file = filepath.Join(b.t.TempDir(), name+".creds")
	WriteFile(b.t, file, string(text))
	return file, public
}

// WithWebSocket makes the broker listen for WebSockets too, with or without TLS.
func (b *Broker) WithWebSocket(secure bool) {
	b.t.Helper()
	b.Stop()
	b.Options.Websocket = natsserver.WebsocketOpts{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoTLS: !secure}
	if secure {
		b.Options.Websocket.TLSConfig = b.Options.TLSConfig
	}
	b.Start()
}

// RefusedCreds are good for no broker.
func (b *Broker) RefusedCreds() string {
	b.t.Helper()
	stranger, err := nkeys.CreateAccount()
	if err != nil {
		b.t.Fatal(err)
	}
	file, _ := b.Creds(stranger, "prod", time.Time{})
	return file
}

// Users lists the public keys of the connected users.
func (b *Broker) Users() string {
	b.t.Helper()
	z, err := b.Server.Connz(&connzAuth)
	if err != nil {
		b.t.Fatal(err)
	}
	var users []string
	for _, c := range z.Conns {
		users = append(users, c.AuthorizedUser)
	}
	return strings.Join(users, " ")
}

var connzAuth = natsserver.ConnzOptions{Username: true}
