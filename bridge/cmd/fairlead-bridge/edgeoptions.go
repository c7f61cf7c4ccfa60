package main

import (
	"log/slog"

	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// edge returns the configuration of the HTTP side. Its error names the flag at fault.
// It is called before anything listens, so that a process that refuses its
// configuration serves no request.
func (o *runOptions) edge() (bridge.Config, error) {
	cfg := bridge.Config{
		PublicURL: o.publicURL, DisableHTTP2: !o.http2, IdleTimeout: o.idleTimeout, CORSOrigins: o.corsOrigins,
		DisableUI: !o.ui, AccessLevel: slog.LevelDebug,
	}
	if o.accessLog {
		cfg.AccessLevel = slog.LevelInfo
	}
	if o.clusterDomain != "" {
		var err error
		if cfg.ClusterDomain, err = access.ParseClusterDomain(o.clusterDomain); err != nil {
			return cfg, daemon.Usagef("--cluster-domain: %w", err)
		}
	}
	if _, err := bridge.CheckPublicURL(o.publicURL, cfg.ClusterDomain); err != nil {
		return cfg, daemon.Usagef("--public-url: %w", err)
	}
	if err := bridge.CheckOrigins(o.corsOrigins); err != nil {
		return cfg, daemon.Usagef("--cors-allowed-origins: %w", err)
	}
	if err := daemon.CheckAddress("listen", o.listen); err != nil {
		return cfg, err
	}
	return cfg, o.front.apply(&cfg)
}
