package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/broker/trust"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects"
)

// The default addresses, on every interface.
const (
	DefaultListen          = ":4222"
	DefaultWebsocketListen = ":4223"
	DefaultRoutesListen    = ":6222"
	DefaultGatewaysListen  = ":7222"
	// Off instead of an address means no such listener.
	Off = "off"
)

// Other defaults and bounds.
const (
	// DefaultClusterName is what the nodes of a cluster call it; nodes with
	// different names refuse each other.
	DefaultClusterName = "fairlead"
	// DefaultDrainTimeout is the longest lame duck: agents and bridges move
	// within a second, and Kubernetes kills after 30 s.
	DefaultDrainTimeout = 10 * time.Second
	// ResyncInterval is how often a node compares its account JWTs with
	// another's (one message with a hash). A push reaches all connected nodes
	// at once; this is for those that were away, which would let revoked users
	// in until then.
	ResyncInterval = 2 * time.Second
	// DefaultStoreMax is over twice what bridges' streams reserve by default.
	DefaultStoreMax = keys.DefaultStoreMax
	// minStoreMax is the least that is of use.
	minStoreMax = 64 << 20
)

// Config says what a broker is. Exactly one of Dir and NATSConfig is needed;
// the zero value of everything else is the default. Relative paths are relative
// to the working directory.
type Config struct {
	// Dir is a directory that [keys.Init] wrote.
	Dir string
	// NATSConfig is a nats-server configuration file, as "nsc generate config
	// --nats-resolver" writes it. Listeners, TLS, limits and routes that it
	// sets hold unless a field below is set.
	NATSConfig string
	// ResolverDir holds the account JWTs of this node and of no other. By
	// default <Dir>/jwt, or what NATSConfig says (relative to that file). If it
	// is another directory than <Dir>/jwt, what is newer there is copied from
	// it at start.
	ResolverDir string
	// Name is the node's name in logs, metrics and events: unique in the
	// cluster and in all regions, by default the host's.
	Name string

	// Listen is where agents and bridges connect (TLS): host:port, port 0 for
	// any, by default [DefaultListen].
	Listen string
	// WebsocketListen is the same over WebSocket, by default
	// [DefaultWebsocketListen]; [Off] for none.
	WebsocketListen string
	// WebsocketPlain leaves TLS on the WebSocket listener to a reverse proxy in
	// front of it: agents' credentials do not cross it (they sign a nonce), but
	// everything else does, in clear.
	WebsocketPlain bool
	// RoutesListen is where other nodes connect (mutual TLS), by default
	// [DefaultRoutesListen] when there are Routes and none otherwise.
	RoutesListen string
	// Routes are the URLs of other nodes, tls://host:port. Naming them all,
	// this node included, on every node is fine.
	Routes []string
	// ClusterName is by default [DefaultClusterName]. With Gateways it names the region.
	ClusterName string
	// GatewaysListen is where nodes of other regions connect (mutual TLS, as for
	// routes), by default [DefaultGatewaysListen] when there are Gateways.
	GatewaysListen string
	// Gateways are the regions that this node's is joined with, and where nodes there
	// are reached: region=tls://host:port, one entry for each URL. No other region is
	// let in. The node's own region may be among them, so that all nodes have one list;
	// others are then told its first URL, and not the address that is listened on.
	Gateways []string

	// TLSCert and TLSKey are PEM files, read again after they change. By
	// default those of Dir. The certificate must also do for a client when
	// there are routes.
	TLSCert, TLSKey string
	// TLSCA is a PEM file with the CA that other nodes' certificates verify
	// against, by default that of Dir; needed for routes only. Whoever has a
	// certificate of this CA can join the cluster: never a public one. To
	// change it, restart the nodes with a file that holds both.
	TLSCA string
	// GuardCreds are the credentials of a user of the system account that may
	// subscribe to $SYS.ACCOUNT.*.CONNECT, by which the broker cuts users whose
	// name is not a DNS label. By default those of Dir. Without any, that second
	// barrier is missing.
	GuardCreds string

	// StoreDir is where this node keeps what bridges share in the platform's account
	// (NATS JetStream): its own directory, on a disk that survives the node. "": the
	// node has no JetStream. Nodes of a cluster replicate it over their routes; all or
	// none should have it.
	StoreDir string
	// StoreMax bounds the bytes of StoreDir, by default [DefaultStoreMax].
	StoreMax int64

	// MaxConnects is how many connections of clients are admitted a second, over
	// TCP and WebSocket together, by default [DefaultMaxConnects]; [Unlimited] for
	// no limit. More than that wait for up to 5 s. Connections to a plain WebSocket
	// listener do not count: the proxy in front of it has to limit them.
	MaxConnects int
	// DrainTimeout is how long clients are given to move to other nodes before
	// the last is cut, by default [DefaultDrainTimeout].
	DrainTimeout time.Duration
	// Logger is by default slog.Default.
	Logger *slog.Logger
	// Debug logs what nats-server says for debugging. Messages are never logged.
	Debug bool

	files *[]reload.Followed // that TLS is made of; nil: nobody wants to know
}

// Validate names the first field at fault.
func (c Config) Validate() error {
	if (c.Dir == "") == (c.NATSConfig == "") {
		return errors.New("dir, nats-config: give exactly one of them")
	}
	for _, a := range []struct{ field, value, fallback string }{
		{"listen", c.Listen, DefaultListen},
		{"websocket-listen", c.WebsocketListen, DefaultWebsocketListen},
		{"routes-listen", c.RoutesListen, DefaultRoutesListen},
		{"gateways-listen", c.GatewaysListen, DefaultGatewaysListen},
	} {
		if a.value == Off && a.field != "listen" && a.field != "gateways-listen" {
			continue
		}
		if _, _, err := splitAddress(a.value, a.fallback); err != nil {
			return fmt.Errorf("%s: %w", a.field, err)
		}
	}
	if _, err := parseRoutes(c.Routes); err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	if err := c.validateGateways(); err != nil {
		return err
	}
	if c.RoutesListen == Off && len(c.Routes) > 0 {
		return errors.New("routes-listen: must not be off when there are routes: nodes connect both ways")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tls-cert, tls-key: give both or none")
	}
	if c.MaxConnects < Unlimited || c.MaxConnects > maxMaxConnects {
		return fmt.Errorf("max-connects-per-second: %d is not between 0 and %d", c.MaxConnects, maxMaxConnects)
	}
	if c.DrainTimeout < 0 {
		return errors.New("drain-timeout: must not be negative")
	}
	others := c.RoutesListen != "" && c.RoutesListen != Off || len(c.Gateways) > 0
	if c.StoreDir != "" && c.Dir != "" && len(c.Routes) == 0 && others {
		return errors.New("store-dir: a node that other nodes connect to needs routes, for its part of the store: name all nodes there, this one may be among them")
	}
	if c.StoreMax < 0 || c.StoreMax > 0 && c.StoreMax < minStoreMax {
		return fmt.Errorf("store-max: %d bytes are less than %d (64 MiB)", c.StoreMax, int64(minStoreMax))
	}
	if c.ClusterName != "" {
		if err := subjects.CheckName(c.ClusterName); err != nil {
			return fmt.Errorf("cluster-name: %w", err)
		}
	}
	return nil
}

// withDefaults fills in what does not depend on files.
func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name, _ = os.Hostname() // nats-server makes a name up for ""
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.MaxConnects == 0 {
		c.MaxConnects = DefaultMaxConnects
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Dir == "" {
		return c
	}
	l := keys.At(c.Dir)
	if c.TLSCert == "" {
		c.TLSCert, c.TLSKey = l.ServerCertFile(), l.ServerKeyFile()
	}
	if c.TLSCA == "" {
		c.TLSCA = l.CAFile()
	}
	if c.ResolverDir == "" {
		c.ResolverDir = l.ResolverDir()
	}
	if _, err := os.Stat(l.GuardCredsFile()); c.GuardCreds == "" && err == nil {
		c.GuardCreds = l.GuardCredsFile()
	}
	return c
}

// source is where a configuration with its defaults has its trust from.
func (c *Config) source() trust.Source {
	return trust.Source{Dir: c.Dir, NATSConfig: c.NATSConfig, ResolverDir: c.ResolverDir, GuardCreds: c.GuardCreds}
}

// Check judges what a broker with this configuration would trust, as [Start]
// does: see [trust.Check].
func Check(cfg Config) (*trust.Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return trust.Check(cfg.source())
}

// splitAddress returns host and port as nats-server wants them: -1 for any
// free port.
func splitAddress(address, fallback string) (host string, port int, err error) {
	if address == "" {
		address = fallback
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port: %w", address, err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: the port must be a number from 0 to 65535", address)
	}
	if n == 0 {
		return host, -1, nil
	}
	return host, int(n), nil
}

func parseRoutes(routes []string) ([]*url.URL, error) {
	urls := make([]*url.URL, 0, len(routes))
	for i, r := range routes {
		u := parseNode(r)
		if u == nil {
			// Not shown, since somebody may have put a password into it.
			return nil, fmt.Errorf("number %d is not like tls://host:6222", i+1)
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// parseNode returns the URL of a node, nil if it is none.
func parseNode(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "tls" || u.Hostname() == "" || u.Port() == "" || u.User != nil || u.Path != "" {
		return nil
	}
	return u
}

// sameDir reports whether two paths name one directory.
func sameDir(a, b string) bool {
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	return os.SameFile(ia, ib)
}
