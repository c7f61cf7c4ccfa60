package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects"
)

// validateGateways judges what is said of other regions, apart from addresses that are
// listened on.
func (c *Config) validateGateways() error {
	regions, err := parseGateways(c.Gateways)
	switch {
	case err != nil:
		return fmt.Errorf("gateways: %w", err)
	case len(regions) == 0 && c.GatewaysListen != "":
		return errors.New("gateways-listen: of no use without gateways: only the regions that are named there are let in")
	case len(regions) == 0:
		return nil
	case c.ClusterName == "":
		return errors.New("cluster-name: needed with gateways: each region has a name of its own")
	case len(regions) == 1 && regions[0].Name == c.ClusterName:
		return fmt.Errorf("gateways: names no region but %s, which is the node's own by its cluster-name", c.ClusterName)
	}
	return nil
}

// parseGateways returns the regions in the order in which they come first.
func parseGateways(entries []string) ([]*server.RemoteGatewayOpts, error) {
	var regions []*server.RemoteGatewayOpts
	for i, entry := range entries {
		name, at, _ := strings.Cut(entry, "=")
		u := parseNode(at)
		if u == nil || subjects.CheckName(name) != nil {
			// Not shown, since somebody may have put a password into it.
			return nil, fmt.Errorf("number %d is not like region=tls://host:7222, where region is a DNS label", i+1)
		}
		known := slices.IndexFunc(regions, func(r *server.RemoteGatewayOpts) bool { return r.Name == name })
		if known < 0 {
			known = len(regions)
			regions = append(regions, &server.RemoteGatewayOpts{Name: name})
		}
		regions[known].URLs = append(regions[known].URLs, u)
	}
	return regions, nil
}

// gatewaysListener joins the node's cluster with those of other regions. It comes after
// the listener for routes: the region's name is the cluster's.
func (c *Config) gatewaysListener(o *server.Options) (err error) {
	g := &o.Gateway
	*g = server.GatewayOpts{}
	if len(c.Gateways) == 0 {
		return nil
	}
	if g.Host, g.Port, err = splitAddress(c.GatewaysListen, DefaultGatewaysListen); err != nil {
		return fmt.Errorf("gateways-listen: %w", err)
	}
	if g.Gateways, err = parseGateways(c.Gateways); err != nil {
		return fmt.Errorf("gateways: %w", err)
	}
	g.Name = c.ClusterName
	g.RejectUnknown = true
	g.TLSTimeout = tlsTimeout
	// Nodes tell each other where more nodes are. What is listened on may be an address
	// that exists in this region only.
	for _, r := range g.Gateways {
		if r.Name == g.Name {
			g.Advertise = r.URLs[0].Host
		}
	}
	g.TLSConfig, err = c.nodesTLS()
	return err
}

// otherRegions are the names of regions that a node is to be connected to.
func otherRegions(o *server.Options) []string {
	var names []string
	for _, r := range o.Gateway.Gateways {
		if r.Name != o.Gateway.Name {
			names = append(names, r.Name)
		}
	}
	return names
}

// Regions are the other regions that the node has a connection to, and those that it
// should have one to. What the node's clients send there goes over this connection; what
// comes from there, over one that a node there has made.
func (b *Broker) Regions() (connected, missing []string) {
	if len(b.regions) == 0 {
		return nil, nil
	}
	info, err := b.server.Gatewayz(nil)
	for _, name := range b.regions {
		if err == nil && info.OutboundGateways[name] != nil {
			connected = append(connected, name)
		} else {
			missing = append(missing, name)
		}
	}
	return connected, missing
}

// GatewaysAddr is where nodes of other regions connect; "" without that listener.
func (b *Broker) GatewaysAddr() string {
	if a := b.server.GatewayAddr(); a != nil {
		return a.String()
	}
	return ""
}
