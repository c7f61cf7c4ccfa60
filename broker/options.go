package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/broker/keys"
)

// Settings of the embedded server, unless a NATS configuration file overrides them.
const (
	// maxPayload is 256 times what Fairlead sends: a client refuses WebSocket
	// frames over 8 times this, and the server sends all that is pending as one.
	maxPayload = 8 << 20
	// maxPending is how much the server holds for one client before it cuts the
	// client as too slow. The stream engine keeps at most 16 MiB in flight to one
	// peer, so four bridges can fill the connection of one agent (and four agents
	// that of one bridge) before that. It must not exceed the 8 times maxPayload
	// that a WebSocket client accepts in one frame.
	maxPending = 8 * maxPayload
	// pingInterval and maxPingsOut make a dead client known within a minute,
	// and keep proxies that cut idle connections after 60 s from doing so.
	pingInterval = 20 * time.Second
	maxPingsOut  = 2
	// tlsTimeout bounds a handshake, in seconds: agents may be on bad lines.
	// The time to authenticate afterwards follows from it (plus one second).
	tlsTimeout = 10
	// fetchTimeout bounds asking the other nodes for an account that this one
	// does not have; it must be under the time to authenticate.
	fetchTimeout = 1900 * time.Millisecond
)

// options translates a valid configuration, with its defaults, into
// nats-server's. It opens the resolver's directory, which the server then owns.
// Connections of clients are admitted by a.
func (c *Config) options(a *admission) (*server.Options, error) {
	o, err := c.trust()
	if err != nil {
		return nil, err
	}
	o.ServerName = c.Name
	o.NoSigs = true
	o.NoLog = true
	o.LameDuckDuration, o.LameDuckGracePeriod = lameDuck(c.DrainTimeout)
	setIfZero(&o.MaxPayload, maxPayload)
	setIfZero(&o.MaxPending, maxPending)
	setIfZero(&o.PingInterval, pingInterval)
	setIfZero(&o.MaxPingsOut, maxPingsOut)
	setIfZero(&o.TLSTimeout, tlsTimeout)
	o.Trace, o.TraceVerbose = false, false

	err = errors.Join(c.clientListener(o), c.websocketListener(o), c.routesListener(o), c.gatewaysListener(o))
	if err = errors.Join(err, c.store(o)); err != nil {
		if o.AccountResolver != nil {
			o.AccountResolver.Close()
		}
		return nil, err
	}
	o.TLSConfig = a.guard(o.TLSConfig)
	if o.Websocket.TLSConfig != nil {
		o.Websocket.TLSConfig = a.guard(o.Websocket.TLSConfig)
	}
	return o, nil
}

// lameDuck divides the time for a drain: in the first part clients move on
// their own, in the second the server cuts those that are left, one by one.
func lameDuck(total time.Duration) (duration, grace time.Duration) {
	return total, total / 5
}

// trust returns options that say whom to trust and where accounts come from.
func (c *Config) trust() (*server.Options, error) {
	if c.NATSConfig != "" {
		return readNATSConfig(c.NATSConfig, c.ResolverDir)
	}
	l, err := keys.OpenLayout(c.Dir)
	if err != nil {
		return nil, err
	}
	operator, err := l.Operator()
	if err != nil {
		return nil, err
	}
	resolver, err := server.NewDirAccResolver(c.ResolverDir, 0, ResyncInterval,
		server.RenameDeleted, server.FetchTimeout(fetchTimeout))
	if err != nil {
		return nil, fmt.Errorf("resolver directory: %w", err)
	}
	if err := seedResolver(resolver, l.ResolverDir(), c.ResolverDir); err != nil {
		resolver.Close()
		return nil, fmt.Errorf("resolver directory: %w", err)
	}
	return &server.Options{
		TrustedOperators: []*jwt.OperatorClaims{operator},
		SystemAccount:    operator.SystemAccount,
		AccountResolver:  resolver,
	}, nil
}

// seedResolver copies account JWTs that are newer than what the resolver has.
func seedResolver(resolver *server.DirAccResolver, from, to string) error {
	if sameDir(from, to) {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(from, "*.jwt"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		account := strings.TrimSuffix(filepath.Base(f), ".jwt")
		if err := resolver.Store(account, strings.TrimSpace(string(b))); err != nil {
			return fmt.Errorf("copy %s: %w", f, err)
		}
	}
	return nil
}

func (c *Config) clientListener(o *server.Options) (err error) {
	if c.Listen != "" || o.Port == 0 {
		if o.Host, o.Port, err = splitAddress(c.Listen, DefaultListen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	if o.TLSConfig != nil && c.TLSCert == "" {
		return nil // as the NATS configuration file has it
	}
	o.TLSConfig, err = c.serverTLS()
	o.TLS = true
	return err
}

func (c *Config) websocketListener(o *server.Options) (err error) {
	ws := &o.Websocket
	if c.WebsocketListen == Off {
		*ws = server.WebsocketOpts{}
		return nil
	}
	if c.WebsocketListen != "" || ws.Port == 0 {
		if ws.Host, ws.Port, err = splitAddress(c.WebsocketListen, DefaultWebsocketListen); err != nil {
			return fmt.Errorf("websocket-listen: %w", err)
		}
	}
	setIfZero(&ws.PingInterval, pingInterval)
	setIfZero(&ws.HandshakeTimeout, tlsTimeout*time.Second)
	ws.Compression = false // 1.7 MB a connection
	switch {
	case c.WebsocketPlain:
		ws.TLSConfig, ws.NoTLS = nil, true
	case ws.TLSConfig != nil && c.TLSCert == "", ws.NoTLS:
	default:
		ws.TLSConfig, err = c.serverTLS()
	}
	return err
}

func (c *Config) routesListener(o *server.Options) (err error) {
	r := &o.Cluster
	wanted := c.RoutesListen != "" || len(c.Routes) > 0 || r.Port != 0
	if c.RoutesListen == Off || !wanted {
		*r = server.ClusterOpts{}
		return nil
	}
	if c.RoutesListen != "" || r.Port == 0 {
		if r.Host, r.Port, err = splitAddress(c.RoutesListen, DefaultRoutesListen); err != nil {
			return fmt.Errorf("routes-listen: %w", err)
		}
	}
	if len(c.Routes) > 0 {
		if o.Routes, err = parseRoutes(c.Routes); err != nil {
			return fmt.Errorf("routes: %w", err)
		}
	}
	if c.ClusterName != "" || r.Name == "" {
		r.Name = DefaultClusterName
		if c.ClusterName != "" {
			r.Name = c.ClusterName
		}
	}
	// Nodes may be reachable for agents at quite other addresses than for each
	// other: agents know theirs.
	r.NoAdvertise = true
	setIfZero(&r.TLSTimeout, tlsTimeout)
	setIfZero(&r.PingInterval, pingInterval)
	if r.TLSConfig != nil && c.TLSCA == "" {
		return nil // as the NATS configuration file has it
	}
	r.TLSConfig, err = c.nodesTLS()
	return err
}

func setIfZero[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
