package main

import (
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/bridge/access/lint"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/doctor"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

const doctorLong = `Looks at what the bridge needs: each of its brokers, hop after hop; each tenant's
account and the permissions there; the shared store; the bridge's certificate and its
names; the access file, with the issuers and services that it names; the bridge
itself, if it runs; and, by --public-url, whether a proxy in front of it changes paths
or limits uploads. It says what it found, and for a hop that fails what came back, the
likely cause and what to do.

It takes the flags, environment and configuration file of 'fairlead-bridge run', and in
the bridge's container the bridge's own command line, so that it needs no arguments
there. A bridge that runs is not disturbed, and nothing is changed.

Of several brokers one has to work; the others' failures then are warnings.

`

// doctorOptions are those of run, and of the report.
type doctorOptions struct {
	runOptions
	out diagnosis.Output
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at brokers, tenants, store, certificate, access file and issuers, and say what is wrong",
		Long:  doctorLong + diagnosis.CodesHelp(diagnosis.BridgeHops()...),
		Example: `  fairlead-bridge doctor --config ./fairlead/bridge.yaml
  kubectl -n fairlead exec deploy/fairlead-bridge -- /fairlead-bridge doctor --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Validate(); err != nil {
				return err
			}
			cfg, err := o.config()
			if err != nil {
				return err
			}
			return o.out.Write(cmd.OutOrStdout(), doctor.Run(cmd.Context(), *cfg))
		},
	}
	o.runOptions.flags(cmd.Flags())
	o.out.Flags(cmd.Flags())
	daemon.HideInHelp(cmd, "access-log", "broker-max-connects-per-second", "cors-allowed-origins", "http2", "idle-timeout", "proxy-protocol", "reconnect-grace", "ui")
	daemon.LikeProcess1(cmd)
	return cmd
}

// config reads what the bridge reads at its start, with the same errors.
func (o *doctorOptions) config() (*doctor.Config, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if _, err := o.edge(); err != nil {
		return nil, err
	}
	var err error
	discard := slog.New(slog.DiscardHandler)
	c := &doctor.Config{Timeout: o.out.Timeout, Version: daemon.Version().Version, CertFile: o.cert, KeyFile: o.key}
	if o.insecureHTTP {
		c.CertFile = ""
	}
	if c.Key, err = signingKey("bridge key", o.seed); err != nil {
		return nil, err
	}
	list, err := tenant.OpenList(o.tenants, discard)
	if err != nil {
		return nil, &daemon.ConfigError{Err: err}
	}
	c.Tenants = list.Get()
	if err := o.brokers(c); err != nil {
		return nil, err
	}
	if err := o.shared(c); err != nil {
		return nil, err
	}
	c.Hosts, c.FrontProxy = o.hosts(c.Tenants), len(o.front.trustedProxies) > 0
	c.PublicURL = o.publicURL
	if o.ca != "" {
		if c.PublicCA, err = os.ReadFile(o.ca); err != nil {
			return nil, daemon.Usagef("tls-ca: %w", err)
		}
	}
	if o.access != "" {
		c.Access = o.verdict()
	}
	c.Ops, _ = daemon.AddressToAsk(o.ops.Listen) // "" if it is not known
	return c, nil
}

// brokers says how to reach the brokers. The embedded one is a part of the bridge that
// runs, and is reached as agents on this machine reach it.
func (o *doctorOptions) brokers(c *doctor.Config) error {
	cfg := o.broker
	if o.embedded.Dir != "" {
		listen := o.embedded.Listen
		if listen == "" {
			listen = broker.DefaultListen
		}
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			return daemon.Usagef("--broker-listen: %w", err)
		}
		cfg = reach.Config{Servers: []string{"tls://localhost:" + port}, Transport: transport.Config{CAFile: filepath.Join(o.embedded.Dir, "tls", "ca.crt"), Prefix: "broker-"}}
	}
	var err error
	if c.Broker, err = reach.Open(cfg, nil); err != nil {
		return &daemon.UsageError{Err: err}
	}
	c.Proxies = o.broker.Proxies()
	return unreadable(c.Broker)
}

// shared says how to reach what bridges share.
func (o *doctorOptions) shared(c *doctor.Config) error {
	if o.store.account == "" {
		return nil
	}
	key, err := signingKey("store key", o.store.key)
	if err != nil {
		return err
	}
	c.Store = &store.Config{Account: o.store.account, Key: key, Replicas: o.store.replicas, Broker: c.Broker}
	return nil
}

// hosts are the names that callers ask the bridge by, as far as they are known.
func (o *doctorOptions) hosts(tenants tenant.List) (all []string) {
	if u, err := url.Parse(o.publicURL); err == nil && u.Hostname() != "" {
		all = append(all, u.Hostname())
	}
	if o.clusterDomain == "" {
		return all
	}
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		// Any cluster of the tenant: a name that none has.
		host := "any-cluster." + o.clusterDomain
		if name != subjects.DefaultTenant {
			host = "any-cluster." + name + "." + o.clusterDomain
		}
		all = append(all, host)
	}
	return all
}

// verdict judges the access file, as check-config does.
func (o *doctorOptions) verdict() *doctor.Verdict {
	v := &doctor.Verdict{File: o.access}
	content, err := os.ReadFile(o.access)
	if err != nil {
		v.Faults = []string{err.Error()}
		return v
	}
	check := checkOptions{access: o.access, tenants: o.tenants, tokens: o.tokens}
	tenants, tenantFaults, err := check.clusters()
	if err != nil {
		tenantFaults = append(tenantFaults, err)
	}
	for _, f := range tenantFaults {
		v.Warnings = append(v.Warnings, o.tenants+": "+f.Error())
	}
	names, tokenFaults, err := check.names()
	if err != nil {
		tokenFaults = append(tokenFaults, err)
	}
	for _, f := range tokenFaults {
		v.Faults = append(v.Faults, o.tokens+": "+f.Error())
	}
	d, err := policy.Check(content, filepath.Dir(o.access), false)
	faults := strictyaml.Faults(err)
	for _, f := range faults {
		v.Faults = append(v.Faults, f.Error())
	}
	for _, w := range strictyaml.Faults(d.At(lint.Warnings(d.Config, lint.Known{Tenants: tenants, Tokens: names, Faulty: faulty(faults)})...)) {
		v.Warnings = append(v.Warnings, w.Error())
	}
	v.Config = d.Config
	if len(faults) == 0 {
		v.Summary = d.Config.Summary()
	}
	return v
}
