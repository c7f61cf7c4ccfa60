package bridge

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/front"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
)

// Config configures a [Server]. Tenants are needed, and Authenticator or Rules; the zero
// value of the rest is the documented default.
type Config struct {
	// Tenants are the connections to the broker; the caller closes them after
	// the server has stopped.
	Tenants *tenant.Pool
	// Authenticator finds out who sent a request, Authorizer decides which
	// clusters it may reach. Default access.TokenClusters.
	Authenticator access.Authenticator
	Authorizer    access.Authorizer
	// Limiter bounds what callers use. Default: no limits.
	Limiter *limit.Limiter
	// Recorder records the sessions whose grant demands it; nil: they are refused.
	Recorder *record.Recorder
	// Rules take the place of these four where they are replaced together while the
	// server runs.
	Rules func() *access.Rules
	// Approvals is where access is asked for and approved. Default: no grant requires
	// an approval.
	Approvals *approval.Service
	// PublicURL is where callers reach the bridge, perhaps with a path where a
	// reverse proxy serves it under one; requests may come with that path or
	// without. By default kubeconfigs name the host that the caller asked.
	PublicURL string
	// CORSOrigins are the origins of web pages that may call the bridge, such as
	// https://ui.example.com. Default: none.
	CORSOrigins []string
	// DisableUI leaves out the fleet page, /ui/.
	DisableUI bool
	// Ready says whether the process takes requests, for /readyz on the serving
	// port; nil: it does unless it drains. It must be safe for concurrent use.
	Ready func(context.Context) error
	// DisableHTTP2 makes the server offer HTTP/1.1 alone, for a proxy in front
	// that would choose HTTP/2 and cannot send upgrades over it.
	DisableHTTP2 bool
	// IdleTimeout is how long a connection may be without a request. Default
	// DefaultIdleTimeout; negative values are refused.
	IdleTimeout time.Duration
	// ClusterDomain, if not empty, is the domain below which each cluster has a host
	// of its own, such as k8s.example.com. PublicURL must not be below it.
	ClusterDomain access.ClusterDomain
	// CA returns the PEM certificates that kubeconfigs shall trust; nil: none
	// are written and the caller's system decides.
	CA func() []byte
	// ClientCAs returns the CAs whose client certificates the server asks for, at each
	// handshake; nil, or a nil result: it asks for none. Authenticator verifies what is
	// presented. It must be safe for concurrent use.
	ClientCAs func() *x509.CertPool
	// TrustedProxies are the front proxies that may name the address of a
	// caller, for the log: in X-Forwarded-For or Forwarded and, with
	// ProxyProtocol, in a PROXY header at the beginning of a connection.
	TrustedProxies front.Trusted
	ProxyProtocol  bool
	// Audit gets an event of each request; nil: none. The caller closes it after the
	// server has stopped.
	Audit *audit.Log
	// Inventory is what watches the clusters, which its owner runs; nil: a list of clusters
	// connects the tenants, and nothing is known of clusters from before.
	Inventory *inventory.Watcher
	// Version is the bridge's own, which agents' versions are compared with. Default: they
	// are not compared.
	Version string
	// Events is the log of what happened to clusters. Default: one in memory.
	Events events.Log
	// Store is what bridges share; nil: the bridge shares nothing, and refuses what needs
	// it. The caller closes it after the server has stopped.
	Store *store.Store
	// ID is the bridge's id, from subjects.NewID('b'). It is needed with a Store.
	ID string
	// Tracer makes a span of each request; nil: nothing is traced.
	Tracer *span.Tracer
	// Registerer takes the metrics. Default: none.
	Registerer prometheus.Registerer
	// Logger gets one line a request at AccessLevel (default debug), or at
	// info where the bridge itself failed it. Default: discard.
	Logger      *slog.Logger
	AccessLevel slog.Leveler
}

// validate fills in defaults and returns the path of the public URL.
func (c *Config) validate() (base string, err error) {
	if c.Tenants == nil {
		return "", errors.New("no tenants given")
	}
	if c.Rules == nil && c.Authenticator == nil {
		return "", errors.New("no authenticator given")
	}
	if c.Authorizer == nil {
		c.Authorizer = access.TokenClusters{}
	}
	if c.Rules == nil {
		c.Rules = access.Fixed(access.Rules{Authenticator: c.Authenticator, Authorizer: c.Authorizer, Limiter: c.Limiter, Recorder: c.Recorder})
	}
	if c.Events == nil {
		c.Events = events.NewMemory()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Store != nil && c.ID == "" {
		return "", errors.New("a store without an id of the bridge")
	}
	if c.AccessLevel == nil {
		c.AccessLevel = slog.LevelDebug
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.IdleTimeout < 0 {
		return "", fmt.Errorf("idle time-out %v is negative", c.IdleTimeout)
	}
	if err := CheckOrigins(c.CORSOrigins); err != nil {
		return "", err
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		return "", errors.New("PROXY protocol without trusted proxies: nobody could use it")
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return CheckPublicURL(c.PublicURL, c.ClusterDomain)
}

// CheckPublicURL checks a public URL as [Config] has it, and returns its path
// without a slash at the end. The empty URL is good.
func CheckPublicURL(public string, domain access.ClusterDomain) (base string, err error) {
	if public == "" {
		return "", nil
	}
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("public URL %q is not like https://host or https://host/path", public)
	}
	if name, ok := domain.Cluster(u.Host); ok {
		return "", fmt.Errorf("public URL %q is below the cluster domain %q, so that it would be the host of a cluster %q", public, domain, name)
	}
	return strings.TrimRight(u.EscapedPath(), "/"), nil
}
