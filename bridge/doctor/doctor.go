package doctor

import (
	"context"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// Config says what to look at. It is that of the bridge.
type Config struct {
	// Broker is how the broker is reached.
	Broker *reach.Broker
	// Tenants are the bridge's, and Key is the signing key of role bridge.
	Tenants tenant.List
	Key     nkeys.KeyPair
	// Store is how to reach what bridges share; nil: the bridge shares nothing. ID and
	// Logger are not used.
	Store *store.Config
	// CertFile and KeyFile hold the certificate; "" where the bridge serves plain HTTP.
	// Hosts are names that it must be good for.
	CertFile, KeyFile string
	Hosts             []string
	// FrontProxy: callers reach the bridge through a proxy, which may have a certificate
	// of its own for Hosts.
	FrontProxy bool
	// Proxies is how issuers and services are reached; nil: by the proxies of the
	// environment.
	Proxies *proxy.Proxies
	// Access is the verdict on the access file; nil: the bridge has none.
	Access *Verdict
	// Ops is the address of the bridge's ops listener, "" for none.
	Ops string
	// PublicURL is where callers reach the bridge, "" if that is not known, and PublicCA
	// has the CA certificates by which they verify it; empty: the system's.
	PublicURL string
	PublicCA  []byte
	// Timeout bounds each look.
	Timeout time.Duration
	// Version is the bridge's.
	Version string
}

// Verdict is what was found about an access file.
type Verdict struct {
	// File names it, and Summary says what it has.
	File, Summary string
	// Faults are why it cannot be used, and Warnings what is probably not meant.
	Faults, Warnings []string
	// Config is what it says, as far as it could be read.
	Config *policy.Config
}

// Run looks at everything and returns the report.
func Run(ctx context.Context, cfg Config) *diagnosis.Report {
	r := &diagnosis.Report{Program: "fairlead-bridge", Version: cfg.Version, Time: time.Now().UTC()}
	b := &brokersLook{cfg: &cfg}
	r.Targets = append(r.Targets, b.look(ctx)...)
	if cfg.Store != nil {
		r.Targets = append(r.Targets, cfg.lookAtStore(ctx, b.via != nil))
	}
	if cfg.CertFile != "" {
		r.Targets = append(r.Targets, cfg.lookAtCertificate())
	}
	if cfg.Access != nil {
		r.Targets = append(r.Targets, cfg.lookAtAccess())
		r.Targets = append(r.Targets, cfg.lookAtServices(ctx)...)
	}
	if cfg.Ops != "" {
		r.Targets = append(r.Targets, cfg.lookAtListener(ctx))
	}
	if cfg.PublicURL != "" {
		r.Targets = append(r.Targets, cfg.lookAtFront(ctx))
	}
	for _, t := range r.Targets {
		inWordsOfBridge(t)
	}
	r.Judge()
	return r
}
