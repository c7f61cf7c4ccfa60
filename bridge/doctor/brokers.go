package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-io/fairlead/bridge/mint"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/deploy/diagnosis/path"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

const (
	// maxTenants bounds how many tenants are looked at: each costs the broker a
	// connection.
	maxTenants = 500
	// maxAtOnce bounds the connections that are made at a time.
	maxAtOnce = 8
	// userTTL is how long the users are good that the doctor makes.
	userTTL = 5 * time.Minute
)

// serverHops are the hops to a broker that do not depend on the tenant.
var serverHops = []cause.Hop{cause.DNS, cause.TCP, cause.Proxy, cause.TLS, cause.HTTPUpgrade, cause.NATS}

// brokersLook is a look at the brokers.
type brokersLook struct {
	cfg *Config
	via *url.URL // a server that works, nil for none
}

// look looks at each server, and then at each tenant by way of one that works.
func (b *brokersLook) look(ctx context.Context) (all []*diagnosis.Target) {
	names := slices.Sorted(maps.Keys(b.cfg.Tenants))
	if len(names) == 0 {
		t := diagnosis.New("tenants", "tenants", cause.JWT)
		t.Checks[0].Skip("the list of tenants is empty: no broker is connected to")
		return []*diagnosis.Target{t}
	}
	for _, server := range b.cfg.Broker.Servers() {
		p := path.New(server, "broker "+natslink.ShownServer(server), "broker", serverHops...)
		all = append(all, p.Target)
		nc, f := b.connect(ctx, server, names[0], subjects.NewID('b'), p.Step)
		switch {
		case f == nil:
			p.Passed(cause.NATS)
			p.NATS(nc)
			nc.Close()
		case p.Target.Check(f.Hop) != nil:
			p.Failed(f)
			p.ClientCertificate(b.cfg.Broker.ClientCertificate())
			continue
		default: // the tenant's matter, told below
			p.Passed("")
		}
		p.ClientCertificate(b.cfg.Broker.ClientCertificate())
		if b.via == nil {
			b.via = server
		}
	}
	return append(all, b.tenants(ctx, names)...)
}

// connect connects in a tenant's account as a bridge with an id. The caller closes the connection.
func (b *brokersLook) connect(ctx context.Context, server *url.URL, name, id string, trace func(dial.Step)) (*nats.Conn, *cause.Failure) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	tried := "connect to " + natslink.ShownServer(server) + " for tenant " + name
	d, err := b.cfg.Broker.Dialer(server)
	if err != nil {
		return nil, natslink.Failure(tried, err).ForBridge()
	}
	d.Timeout, d.Trace = diagnosis.Steps(b.cfg.Timeout), trace
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, natslink.Failure(tried, err)
	}
	o := natslink.ConnectOptions{
		Name: "fairlead-bridge doctor", Servers: []string{d.URL()}, Dialer: d, SignNonce: user.Sign,
		UserJWT: func() (string, error) {
			public, err := user.PublicKey()
			if err != nil {
				return "", err
			}
			return mint.Role{Key: b.cfg.Key, Account: b.cfg.Tenants[name].Account}.User(id, public, time.Now().Add(userTTL))
		},
	}
	defer context.AfterFunc(ctx, d.Abort)()
	nc, err := natslink.ConnectOnce(ctx, o)
	if err != nil {
		if failed := d.Err(); failed != nil {
			err = failed
		}
		d.Abort()
		return nil, b.refusal(natslink.Failure(tried, err).ForBridge(), server, name, user)
	}
	return nc, nil
}

// tenants looks at each tenant. Those that are fine are one target together.
func (b *brokersLook) tenants(ctx context.Context, names []string) (all []*diagnosis.Target) {
	left := max(len(names)-maxTenants, 0)
	names = names[:len(names)-left]
	targets := make([]*diagnosis.Target, len(names))
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	for i, name := range names {
		group.Go(func() error {
			targets[i] = b.tenant(ctx, name)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	var fine []string
	for i, t := range targets {
		if t.Failed() != nil || b.via == nil {
			all = append(all, t)
		} else {
			fine = append(fine, names[i])
		}
	}
	if b.via == nil {
		all = all[:min(len(all), 1)]
		if all[0].Name = "tenant " + names[0]; len(names) > 1 {
			all[0].Name = fmt.Sprintf("%d tenants", len(names))
		}
	}
	if len(fine) > 0 {
		t := diagnosis.New(fmt.Sprintf("%d of %d tenants: %s", len(fine), len(names), strings.Join(fine, ", ")), "tenants", cause.JWT, cause.Permission)
		t.Checks[0].Pass("the broker knows their accounts, which list the bridge's key")
		t.Checks[1].Pass("may use the subjects of a bridge")
		all = append(all, t)
	}
	if left > 0 {
		all[0].Checks[0].Warn(fmt.Sprintf("%d tenants more were not looked at", left))
	}
	return all
}

// tenant looks at one tenant's account, by the subjects of a bridge that does not exist.
func (b *brokersLook) tenant(ctx context.Context, name string) *diagnosis.Target {
	t := diagnosis.New("tenant "+name, "tenant "+name, cause.JWT, cause.Permission)
	if b.via == nil {
		return t
	}
	id := subjects.NewID('b')
	nc, f := b.connect(ctx, b.via, name, id, func(dial.Step) {})
	if f != nil {
		t.Checks[0].Fail(f)
		return t
	}
	defer nc.Close()
	t.Checks[0].Pass("account " + b.cfg.Tenants[name].Account)
	for _, use := range []func() *cause.Failure{
		func() *cause.Failure { return path.Subscribe(nc, subjects.BridgeFrames(id), "up.<bridge>.>") },
		func() *cause.Failure { return path.Subscribe(nc, subjects.BridgePresence(), subjects.BridgePresence()) },
		func() *cause.Failure {
			return path.Publish(nc, subjects.Down(subjects.NewID('c'), subjects.NewID('a'), id), "down.<cluster>.<instance>.<bridge>")
		},
	} {
		if f := use(); f != nil {
			t.Checks[1].Fail(f)
			return t
		}
	}
	t.Checks[1].Pass("may use the subjects of a bridge")
	return t
}
