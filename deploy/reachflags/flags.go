package reachflags

import (
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// Add declares the flags of c. prefix begins their names: "" for an agent, whose servers
// are --server, and "broker-" for a bridge, whose servers are --broker-url.
func Add(f *pflag.FlagSet, prefix string, c *reach.Config) {
	server := "server"
	if prefix != "" {
		server = prefix + "url"
	}
	c.Transport.Prefix = prefix
	t := &c.Transport
	of := func(flag string) string { return "--" + prefix + flag }
	f.StringSliceVar(&c.Servers, server, nil, "broker `URL` (tls://host:4222, or wss://host/path); can be repeated")
	f.StringVar(&t.CAFile, prefix+"ca", "", "`file` with the CA certificates that verify the broker, instead of the system's (default: the system's)")
	f.BoolVar(&t.AddSystemCAs, prefix+"ca-add-system", false, "trust the system's CA certificates besides those of "+of("ca"))
	f.StringVar(&t.CertFile, prefix+"client-cert", "", "`file` with a client certificate, for a broker or a proxy in front of it that asks for one")
	f.StringVar(&t.KeyFile, prefix+"client-key", "", "`file` with the key of "+of("client-cert"))
	f.StringVar(&t.ServerName, prefix+"tls-server-name", "", "`name` that the broker's certificate must have, also sent as SNI (default: the host of --"+server+")")
	f.StringArrayVar(&t.Headers, prefix+"header", nil, "`'Name: value'` to send with the WebSocket handshake (wss://); can be repeated; for secrets see "+of("header-file"))
	f.StringVar(&t.HeaderFile, prefix+"header-file", "", "`file` with more of them, one a line")
	f.BoolVar(&t.Insecure, prefix+"insecure-transport", false, "permit ws:// and nats:// to other machines: everything, and who sends it, can be read on the way")
	f.StringVar(&c.ProxyCredentialsFile, prefix+"proxy-credentials", "", "`file` with user:password or DOMAIN\\user:password for the forward proxy (default: those in its URL)")
	f.StringVar(&c.ProxyCAFile, prefix+"proxy-ca", "", "`file` with CA certificates that verify an https proxy, besides the system's")
	for _, name := range []string{"ca", "client-cert", "client-key", "header-file", "proxy-credentials", "proxy-ca"} {
		daemon.MarkPath(f, prefix+name)
	}
}
