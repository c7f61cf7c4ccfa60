package doctor

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/deploy/diagnosis/path"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// brokerLook is a look at one server of a broker.
type brokerLook struct {
	cfg       *Config
	connector *link.Connector
	server    *url.URL
	creds     *link.Creds // nil with a credsErr
	credsErr  error       // why those in the file cannot be used

	path *path.Path
}

// brokerHops are the hops from an agent to a broker.
var brokerHops = []cause.Hop{
	cause.DNS, cause.TCP, cause.Proxy, cause.TLS, cause.HTTPUpgrade, cause.NATS, cause.JWT, cause.Permission,
}

func (b *brokerLook) look(ctx context.Context) *diagnosis.Target {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	b.path = path.New(b.server, natslink.ShownServer(b.server), "broker", brokerHops...)
	target := b.path.Target
	defer func() { b.path.ClientCertificate(b.connector.ClientCertificate()) }()
	nc, err := b.connector.Try(ctx, b.server, link.Trial{Name: "fairlead-agent doctor", Timeout: diagnosis.Steps(b.cfg.Timeout), Trace: b.path.Step})
	if err != nil {
		b.path.Failed(natslink.Failure("connect to "+target.Name, err))
		if c := target.Check(cause.JWT); b.credsErr != nil && c.Status == diagnosis.NotReached {
			c.Warn(b.credsErr.Error())
		}
		return target
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, nc.Close)()
	b.path.Passed(cause.JWT)
	b.path.NATS(nc)
	b.jwt()
	b.permission(nc)
	return target
}

// jwt notes what is known of the credentials, which were accepted.
func (b *brokerLook) jwt() {
	now := time.Now()
	c := b.path.Target.Check(cause.JWT)
	c.Fact("cluster", b.creds.Cluster)
	c.Fact("account", b.creds.Account)
	c.Fact("user", b.creds.User)
	if !b.creds.Expires.IsZero() {
		c.Fact("expires", b.creds.Expires.UTC().Format(time.RFC3339))
	}
	c.Pass(fmt.Sprintf("cluster %s, account %s, %s", b.creds.Cluster, b.creds.Account, diagnosis.Until(b.creds.Expires, now)))
	c.WarnExpiry("the credentials", b.creds.Expires, now)
}

// permission uses the subjects that an agent uses, for an instance and a bridge that
// do not exist. Both names are random and announced to nobody.
func (b *brokerLook) permission(nc *nats.Conn) {
	c := b.path.Target.Check(cause.Permission)
	cluster, instance := b.creds.Cluster, subjects.NewID('a')
	f := path.Subscribe(nc, subjects.AgentFrames(cluster, instance), "down."+cluster+".<instance>.*")
	if f == nil {
		f = path.Publish(nc, subjects.Up(subjects.NewID('b'), cluster, instance), "up.<bridge>."+cluster+".<instance>")
	}
	if gone := b.creds.Expired(time.Now()); f != nil && gone != nil { // a moment after they were accepted
		b.path.Target.Check(cause.JWT).Fail(&cause.Failure{Hop: cause.JWT, Cause: cause.UserExpired, Tried: f.Tried, Got: gone.Error()})
		return
	}
	if f != nil {
		c.Fail(f)
		return
	}
	c.Pass(fmt.Sprintf("may subscribe to down.%[1]s.* and publish to up.*.%[1]s", cluster))
}
