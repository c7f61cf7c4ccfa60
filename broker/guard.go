package broker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// guard cuts users of tenants whose name is not a DNS label. The templates of the
// roles leave such a user nothing; the guard is for accounts whose templates
// were changed for the worse while the broker runs, and makes the mistake seen.
//
// It hears of connections as a user of the system account, on an in-process
// connection, and looks at all connections whenever that one was made again.
// nats.go owns the goroutine that events arrive on.
type guard struct {
	server *server.Server
	log    *slog.Logger
	conn   *nats.Conn
	cut    atomic.Uint64
	once   sync.Once
}

// guardReconnectDelay is the pause before another attempt, after a push of the
// system account has cut the guard's connection: short at first, and long when
// it seems to be for good.
func guardReconnectDelay(attempts int) time.Duration {
	return min(100*time.Millisecond<<min(attempts, 10), 30*time.Second)
}

func startGuard(b *Broker, creds string) (*guard, error) {
	g := &guard{server: b.server, log: b.log}
	conn, err := nats.Connect("",
		nats.Name("fairlead guard"),
		nats.InProcessServer(natslink.InProcess(b)),
		nats.UserCredentials(creds),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(guardReconnectDelay),
		nats.ReconnectBufSize(-1),
		nats.ReconnectHandler(func(*nats.Conn) { g.sweep() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Error("guard is not notified of new connections", "error", err)
		}),
	)
	if err != nil {
		return nil, err
	}
	g.conn = conn
	if err := g.subscribe(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to new connections: %w", err)
	}
	g.sweep()
	return g, nil
}

func (g *guard) subscribe() error {
	if _, err := g.conn.Subscribe(keys.ConnectEvents, g.connected); err != nil {
		return err
	}
	if err := g.conn.Flush(); err != nil {
		return err
	}
	return g.conn.LastError() // a refusal comes before what the flush waits for
}

func (g *guard) stop() {
	g.once.Do(g.conn.Close)
}

// connected judges one connection that has just authenticated. Every node
// hears of the connections of all, and looks after its own.
func (g *guard) connected(m *nats.Msg) {
	var event struct {
		Server struct {
			ID string `json:"id"`
		} `json:"server"`
		Client struct {
			ID      uint64 `json:"id"`
			Account string `json:"acc"`
			JWT     string `json:"jwt"`
		} `json:"client"`
	}
	if err := json.Unmarshal(m.Data, &event); err != nil {
		g.log.Error("guard cannot read a connect event", "error", err)
		return
	}
	if event.Server.ID == g.server.ID() {
		g.judge(event.Client.ID, event.Client.Account, event.Client.JWT)
	}
}

// sweep judges every connection there is.
func (g *guard) sweep() {
	all, err := g.server.Connz(&server.ConnzOptions{Username: true, Limit: maxSweep})
	if err != nil {
		g.log.Error("guard cannot list connections", "error", err)
		return
	}
	for _, c := range all.Conns {
		if c.JWT != "" { // still to authenticate: its event will come
			g.judge(c.Cid, c.Account, c.JWT)
		}
	}
}

// maxSweep is more connections than a node ever has.
const maxSweep = 1 << 20

func (g *guard) judge(cid uint64, account, token string) {
	if system := g.server.SystemAccount(); system == nil || system.GetName() == account {
		return
	}
	name, err := userName(token)
	if err == nil {
		err = subjects.CheckName(name)
	}
	if err == nil {
		return
	}
	g.cut.Add(1)
	g.log.Warn("disconnected a user whose name is not a DNS label: mint it again with the cluster's name",
		"account", account, "connection", cid, "error", err)
	_ = g.server.DisconnectClientByID(cid) // an error means that it has gone
}

// userName reads the name in a user's JWT, which the server has verified.
func userName(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return "", fmt.Errorf("user jwt: %w", err)
	}
	var claims struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(b, &claims); err != nil {
		return "", fmt.Errorf("user jwt: %w", err)
	}
	return claims.Name, nil
}
