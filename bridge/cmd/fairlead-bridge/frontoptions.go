package main

import (
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/bridge"
	"github.com/fairlead-io/fairlead/bridge/front"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// frontOptions say which proxies stand before the bridge.
type frontOptions struct {
	trustedProxies []string
	proxyProtocol  bool
}

func (o *frontOptions) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.trustedProxies, "trusted-proxies", nil,
		"`CIDRs` of front proxies whose X-Forwarded-For or Forwarded names the caller's address in the log")
	f.BoolVar(&o.proxyProtocol, "proxy-protocol", false, "accept PROXY protocol headers (v1 and v2) from the addresses in --trusted-proxies")
}

// apply adds the options to the configuration of the bridge. Its error names the
// flag at fault.
func (o *frontOptions) apply(cfg *bridge.Config) error {
	trusted, err := front.ParseTrusted(o.trustedProxies)
	if err != nil {
		return daemon.Usagef("--trusted-proxies: %w", err)
	}
	if o.proxyProtocol && len(trusted) == 0 {
		return daemon.Usagef("--proxy-protocol: name the proxies that send the headers in --trusted-proxies")
	}
	cfg.TrustedProxies, cfg.ProxyProtocol = trusted, o.proxyProtocol
	return nil
}
