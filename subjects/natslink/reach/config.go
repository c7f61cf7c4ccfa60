package reach

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// Config says how a broker is reached.
type Config struct {
	// Servers are the broker's URLs: tls:// or wss://, and nats:// or ws:// to the
	// machine itself or, with Transport.Insecure, to others.
	Servers []string
	// Transport is how connections are secured, and what they show on the way.
	Transport transport.Config
	// ProxyCredentialsFile and ProxyCAFile name the files with the credentials for the
	// forward proxy and the CAs that verify it: see [proxy.Proxies].
	ProxyCredentialsFile, ProxyCAFile string
}

// Proxies is how servers are reached through the forward proxies of the environment, with
// the files of c.
func (c *Config) Proxies() *proxy.Proxies {
	return &proxy.Proxies{For: proxy.FromEnvironment(), CredentialsFile: c.ProxyCredentialsFile, CAFile: c.ProxyCAFile, Logins: new(proxy.Logins)}
}

// Check checks what can be checked without files and the network, and returns the
// servers. The error names the flag.
func (c *Config) Check() ([]*url.URL, error) {
	flag := "server"
	if c.Transport.Prefix != "" {
		flag = c.Transport.Prefix + "url"
	}
	if len(c.Servers) == 0 {
		return nil, fmt.Errorf("%s: none given", flag)
	}
	check := natslink.CheckServer
	if c.Transport.Insecure {
		check = natslink.ParseServer
	}
	var servers []*url.URL
	for _, s := range c.Servers {
		u, err := check(s)
		if errors.Is(err, natslink.ErrInTheClear) {
			return nil, fmt.Errorf("%s: %w, or permit it with --%sinsecure-transport", flag, err, c.Transport.Prefix)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		servers = append(servers, u)
	}
	if err := c.Transport.Validate(servers); err != nil {
		return nil, err
	}
	choose := proxy.FromEnvironment()
	for _, s := range servers {
		if _, err := choose(s); err != nil {
			return nil, err
		}
	}
	return servers, nil
}
