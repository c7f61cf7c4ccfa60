package natstest

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

// Server is a NATS server with tenants.
type Server struct {
	*server.Server
	// BridgeKey is the signing key of role bridge in every tenant.
	BridgeKey nkeys.KeyPair
	// Accounts are the public keys of the tenants' accounts.
	Accounts map[string]string

	operator  nkeys.KeyPair
	resolver  *server.MemAccResolver
	agentKeys map[string]nkeys.KeyPair
	options   *server.Options
}

// Start starts a server on a free port of the loopback address. It is shut
// down when the test ends.
func Start(t testing.TB, tenants ...string) *Server {
	t.Helper()
	s := &Server{Accounts: map[string]string{}, agentKeys: map[string]nkeys.KeyPair{}}
	operator := key(t, nkeys.CreateOperator)
	claims := jwt.NewOperatorClaims(public(t, operator))
	claims.Name = "test"
	resolver := &server.MemAccResolver{}
	s.operator, s.resolver = operator, resolver
	s.BridgeKey = key(t, nkeys.CreateAccount)

	system := jwt.NewAccountClaims(public(t, key(t, nkeys.CreateAccount)))
	system.Name = "SYS"
	store(t, resolver, system, operator)
	claims.SystemAccount = system.Subject

	for _, tenant := range tenants {
		s.Mint(t, tenant)()
	}
	text, err := claims.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	operatorClaims, err := jwt.DecodeOperatorClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	s.options = &server.Options{
		Host: "127.0.0.1", Port: freeport.For(t), NoLog: true, NoSigs: true, MaxPayload: 8 << 20,
		TrustedOperators: []*jwt.OperatorClaims{operatorClaims}, SystemAccount: claims.SystemAccount,
		AccountResolver: resolver,
		AuthTimeout:     30, // seconds: on a busy machine, agents that are cut off and come back would never end
		Websocket:       server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true},
	}
	s.Restart(t)
	t.Cleanup(func() { s.Stop() })
	return s
}

// Mint makes a tenant's account. The server does not know it until push is
// called.
func (s *Server) Mint(t testing.TB, tenant string) (push func()) {
	t.Helper()
	return s.mint(t, tenant, jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
}

// MintOlder is Mint with a role bridge as older versions made it, without WebSocket.
func (s *Server) MintOlder(t testing.TB, tenant string) (push func()) {
	t.Helper()
	return s.mint(t, tenant, jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard)
}

func (s *Server) mint(t testing.TB, tenant string, types ...string) (push func()) {
	t.Helper()
	account := key(t, nkeys.CreateAccount)
	s.agentKeys[tenant] = key(t, nkeys.CreateAccount)
	s.Accounts[tenant] = public(t, account)
	c := jwt.NewAccountClaims(public(t, account))
	c.Name = tenant
	c.DefaultPermissions.Pub.Deny.Add(">")
	c.DefaultPermissions.Sub.Deny.Add(">")
	agent := jwt.NewUserScope()
	agent.Key, agent.Role = public(t, s.agentKeys[tenant]), subjects.RoleAgent
	agent.Template.Sub.Allow.Add(subjects.AgentAllowSub)
	agent.Template.Pub.Allow.Add(subjects.AgentAllowPub)
	bridge := jwt.NewUserScope()
	bridge.Key, bridge.Role = public(t, s.BridgeKey), subjects.RoleBridge
	bridge.Template.Pub.Allow.Add(subjects.BridgeAllowPub)
	bridge.Template.Sub.Allow.Add(subjects.BridgeAllowSub, subjects.BridgeAllowSubPresence)
	bridge.Template.AllowedConnectionTypes.Add(types...)
	c.SigningKeys.AddScopedSigner(agent)
	c.SigningKeys.AddScopedSigner(bridge)
	return func() { store(t, s.resolver, c, s.operator) }
}

// Stop stops the server.
func (s *Server) Stop() { natsrun.Stop(s.Server) }

// Restart starts the stopped server again on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Server = natsrun.Start(t, s.options)
}

// ClientURLs are where clients connect, also after Restart.
func (s *Server) ClientURLs() []string {
	return []string{fmt.Sprintf("nats://%s:%d", s.options.Host, s.options.Port)}
}

// Broker says how bridges reach the server by network, also after Restart.
func (s *Server) Broker(t testing.TB) *reach.Broker {
	t.Helper()
	return Broker(t, s.ClientURLs()...)
}

// Broker says how bridges reach a broker with these URLs.
func Broker(t testing.TB, urls ...string) *reach.Broker {
	t.Helper()
	b, err := reach.Open(reach.Config{Servers: urls}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Agent connects as the agent of a cluster.
func (s *Server) Agent(t testing.TB, tenant, cluster string) *nats.Conn {
	t.Helper()
	user := key(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public(t, user))
	claims.Name = cluster
	claims.IssuerAccount = s.Accounts[tenant]
	claims.SetScoped(true)
	text, err := claims.Encode(s.agentKeys[tenant])
	if err != nil {
		t.Fatal(err)
	}
	nc, err := natslink.Connect(context.Background(), natslink.ConnectOptions{
		Servers: s.ClientURLs(), SignNonce: user.Sign,
		UserJWT: func() (string, error) { return text, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func store(t testing.TB, r server.AccountResolver, c *jwt.AccountClaims, operator nkeys.KeyPair) {
	t.Helper()
	text, err := c.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Store(c.Subject, text); err != nil {
		t.Fatal(err)
	}
}

func key(t testing.TB, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	k, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t testing.TB, k nkeys.KeyPair) string {
	t.Helper()
	p, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
