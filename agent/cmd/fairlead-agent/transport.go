package main

import (
	"github.com/spf13/pflag"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// transportFlags declares the flags about the connections to the broker.
func transportFlags(f *pflag.FlagSet, c *transport.Config) {
	f.StringVar(&c.CAFile, "ca", "", "`file` with the CA certificates that verify the broker, instead of the system's (default: the system's)")
	f.BoolVar(&c.AddSystemCAs, "ca-add-system", false, "trust the system's CA certificates besides those of --ca")
	f.StringVar(&c.CertFile, "client-cert", "", "`file` with a client certificate, for a broker or a proxy in front of it that asks for one")
	f.StringVar(&c.KeyFile, "client-key", "", "`file` with the key of --client-cert")
	f.StringVar(&c.ServerName, "tls-server-name", "", "`name` that the broker's certificate must have, also sent as SNI (default: the host of --server)")
	f.StringArrayVar(&c.Headers, "header", nil, "`'Name: value'` to send with the WebSocket handshake (wss://); can be repeated; for secrets see --header-file")
	f.StringVar(&c.HeaderFile, "header-file", "", "`file` with more of them, one a line")
	f.BoolVar(&c.Insecure, "insecure-transport", false, "permit ws:// and nats:// to other machines: everything, and who sends it, can be read on the way")
	daemon.MarkPath(f, "ca", "client-cert", "client-key", "header-file")
}
