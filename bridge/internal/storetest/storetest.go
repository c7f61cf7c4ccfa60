package storetest

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

// Brokers are one or three servers. Its methods are for one goroutine.
type Brokers struct {
	// Account is the public key of the store's account, Key that of its role store.
	Account string
	Key     nkeys.KeyPair

	t        testing.TB
	account  nkeys.KeyPair
	operator nkeys.KeyPair
	older    bool // role store is as it was first
	trusted  *jwt.OperatorClaims
	resolver *server.MemAccResolver
	servers  []*server.Server
	options  []*server.Options
}

// Start starts n servers on free ports of the loopback address, a cluster if n is more
// than one. They are shut down when the test ends.
func Start(t testing.TB, n int) *Brokers {
	t.Helper()
	return start(t, n, false)
}

// StartOlder is [Start] with an account that was made when there were three streams, and
// bridges did not connect by WebSocket.
func StartOlder(t testing.TB, n int) *Brokers {
	t.Helper()
	return start(t, n, true)
}

func start(t testing.TB, n int, older bool) *Brokers {
	t.Helper()
	b := newBrokers(t, n, older)
	b.run()
	return b
}

// newBrokers prepares n servers.
func newBrokers(t testing.TB, n int, older bool) *Brokers {
	t.Helper()
	b := &Brokers{t: t, older: older, account: key(t, nkeys.CreateAccount), operator: key(t, nkeys.CreateOperator), Key: key(t, nkeys.CreateAccount)}
	b.Account = public(t, b.account)
	claims := jwt.NewOperatorClaims(public(t, b.operator))
	claims.Name = "test"
	b.resolver = &server.MemAccResolver{}
	system := jwt.NewAccountClaims(public(t, key(t, nkeys.CreateAccount)))
	system.Name = "SYS"
	claims.SystemAccount = system.Subject
	b.put(b.resolver, system)
	b.put(b.resolver, b.claims())
	text, err := claims.Encode(b.operator)
	if err != nil {
		t.Fatal(err)
	}
	if b.trusted, err = jwt.DecodeOperatorClaims(text); err != nil {
		t.Fatal(err)
	}
	var routes []*url.URL
	for i := range n {
		o := b.server(fmt.Sprintf("broker-%d", i), true)
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: freeport.For(t)}
			routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", o.Cluster.Port)})
		}
		b.options = append(b.options, o)
	}
	for _, o := range b.options {
		o.Routes = routes
	}
	return b
}

// server has the options of one.
func (b *Brokers) server(name string, store bool) *server.Options {
	b.t.Helper()
	o := &server.Options{
		ServerName: name, Host: "127.0.0.1", Port: freeport.For(b.t), NoLog: true, NoSigs: true,
		TrustedOperators: []*jwt.OperatorClaims{b.trusted}, SystemAccount: b.trusted.SystemAccount, AccountResolver: b.resolver,
		AuthTimeout: eventually.Bound.Seconds(), // on a busy machine
		Websocket:   server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true},
	}
	if store {
		o.JetStream, o.StoreDir, o.JetStreamMaxStore = true, filepath.Join(b.t.TempDir(), name), 32<<30
	}
	return o
}

// run starts all.
func (b *Brokers) run() {
	b.t.Helper()
	b.servers = make([]*server.Server, len(b.options))
	for i := range b.options {
		b.Run(i)
	}
	b.t.Cleanup(func() {
		for i := range b.servers {
			b.Kill(i)
		}
	})
	b.settle()
}

// claims are those of the store's account.
func (b *Brokers) claims() *jwt.AccountClaims {
	c := jwt.NewAccountClaims(b.Account)
	c.Name = subjects.StoreAccount
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: 24 << 30, Streams: 16, Consumer: -1}
	s := jwt.NewUserScope()
	s.Key, s.Role = public(b.t, b.Key), subjects.RoleStore
	pub, sub := subjects.StoreAllowPub(), subjects.StoreAllowSub()
	if b.older {
		pub, sub = subjects.StoreLeastPub(), subjects.StoreLeastSub()
	}
	s.Template.Pub.Allow.Add(pub...)
	s.Template.Sub.Allow.Add(sub...)
	s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeInProcess, jwt.ConnectionTypeStandard)
	if !b.older {
		s.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeWebsocket)
	}
	c.SigningKeys.AddScopedSigner(s)
	return c
}

// Widen gives role store of [StartOlder] the rights of today, as a push does.
func (b *Brokers) Widen() {
	b.t.Helper()
	b.older = false
	c := b.claims()
	for i, s := range b.servers {
		b.put(b.options[i].AccountResolver.(*server.MemAccResolver), c)
		account, err := s.LookupAccount(b.Account)
		if err != nil {
			b.t.Fatal(err)
		}
		s.UpdateAccountClaims(account, c)
	}
}

func (b *Brokers) put(resolver *server.MemAccResolver, c *jwt.AccountClaims) {
	b.t.Helper()
	text, err := c.Encode(b.operator)
	if err == nil {
		err = resolver.Store(c.Subject, text)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Run starts a server that was killed, on the same ports and with the same directory. It has
// JetStream for the store's account then, as brokers that are ready have: otherwise those who
// come while the first user gets it are told that there is none (10039).
func (b *Brokers) Run(i int) {
	b.t.Helper()
	b.servers[i] = natsrun.Start(b.t, b.options[i])
	eventually.Nil(b.t, "JetStream for the store's account", func() error {
		account, err := b.servers[i].LookupAccount(b.Account)
		if err == nil && !account.JetStreamEnabled() {
			err = errors.New("it has none")
		}
		return err
	})
}

// Kill stops a server, without any handover if it is one of a cluster.
func (b *Brokers) Kill(i int) {
	if b.servers[i] != nil {
		natsrun.Stop(b.servers[i])
		b.servers[i] = nil
	}
}

// Server is a running server.
func (b *Brokers) Server(i int) *server.Server { return b.servers[i] }

// URLs are those of all servers.
func (b *Brokers) URLs() (all []string) {
	for _, o := range b.options {
		all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", o.Port))
	}
	return all
}

// settle waits until JetStream has a leader and knows all servers.
func (b *Brokers) settle() {
	b.t.Helper()
	eventually.True(b.t, "a leader of the cluster", func() bool {
		return len(b.servers) == 1 || slices.ContainsFunc(b.servers, func(s *server.Server) bool {
			return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(b.servers)
		})
	})
}

// KillLeader kills the server that leads a stream, and returns which one it was. It waits
// while two believe that they do, as around an election.
func (b *Brokers) KillLeader(stream string) (leader int) {
	b.t.Helper()
	eventually.True(b.t, "one leader of stream "+stream, func() bool {
		leaders := 0
		for i, s := range b.servers {
			if s != nil && s.JetStreamIsStreamLeader(b.Account, stream) {
				leader = i
				leaders++
			}
		}
		return leaders == 1
	})
	b.Kill(leader)
	return leader
}

// Admin connects as a user who may do anything in the store's account.
func (b *Brokers) Admin(server int) jetstream.JetStream {
	b.t.Helper()
	return b.connect(server, b.account, "admin", "")
}

// As connects with the permissions of role store, as bridge name.
func (b *Brokers) As(server int, name string) jetstream.JetStream {
	b.t.Helper()
	return b.connect(server, b.Key, name, subjects.StoreInbox(name))
}

func (b *Brokers) connect(server int, signer nkeys.KeyPair, name, inbox string) jetstream.JetStream {
	b.t.Helper()
	user := key(b.t, nkeys.CreateUser)
	c := jwt.NewUserClaims(public(b.t, user))
	c.Name, c.IssuerAccount = name, b.Account
	c.SetScoped(signer != b.account)
	text, err := c.Encode(signer)
	if err != nil {
		b.t.Fatal(err)
	}
	options := []nats.Option{nats.UserJWT(func() (string, error) { return text, nil }, user.Sign), nats.MaxReconnects(-1), nats.Timeout(eventually.Bound)}
	if inbox != "" {
		options = append(options, nats.CustomInboxPrefix(inbox))
	}
	nc, err := nats.Connect(b.URLs()[server], options...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(eventually.Bound))
	if err != nil {
		b.t.Fatal(err)
	}
	return js
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
