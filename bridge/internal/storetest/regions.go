package storetest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
	"github.com/fairlead-io/fairlead/test/harness/passage"
)

// Regions are servers of two regions, joined by gateways that can be lost. The store is in
// the first one. Its methods are for one goroutine.
type Regions struct {
	*Brokers // of the region with the store

	far  *server.Server     // the one of the other region
	ways []*passage.Passage // to each server, for those of the other region
}

// Names of the regions.
const (
	near = "near"
	far  = "far"
)

// StartRegions starts n servers of a region with the store, and one of a region without it.
func StartRegions(t testing.TB, n int) *Regions {
	t.Helper()
	b := newBrokers(t, n, false)
	r := &Regions{Brokers: b}
	other := b.server("far", false)
	var gateways []*server.RemoteGatewayOpts
	for _, region := range []struct {
		name    string
		servers []*server.Options
	}{{near, b.options}, {far, []*server.Options{other}}} {
		g := &server.RemoteGatewayOpts{Name: region.name}
		for _, o := range region.servers {
			o.Cluster.Name = region.name
			o.Gateway = server.GatewayOpts{Name: region.name, Host: "127.0.0.1", Port: freeport.For(t), RejectUnknown: true}
			way := passage.New(t, fmt.Sprintf("127.0.0.1:%d", o.Gateway.Port))
			o.Gateway.Advertise = way.Address()
			r.ways = append(r.ways, way)
			g.URLs = append(g.URLs, &url.URL{Scheme: "nats", Host: way.Address()})
		}
		gateways = append(gateways, g)
	}
	for _, o := range append([]*server.Options{other}, b.options...) {
		o.Gateway.Gateways = gateways
	}
	r.far = natsrun.Start(t, other)
	t.Cleanup(func() { natsrun.Stop(r.far) })
	b.run()
	r.connected(true)
	return r
}

// FarURLs are those of the region without the store.
func (r *Regions) FarURLs() []string { return []string{r.far.ClientURL()} }

// Cut closes the gateways, and returns when all servers know.
func (r *Regions) Cut() {
	r.t.Helper()
	for _, w := range r.ways {
		w.Close()
	}
	r.connected(false)
}

// Mend opens the gateways again, and returns when they are used.
func (r *Regions) Mend() {
	r.t.Helper()
	for _, w := range r.ways {
		w.Open(r.t)
	}
	r.connected(true)
}

// Stall makes the gateways swallow what is sent, which servers notice later.
func (r *Regions) Stall() {
	for _, w := range r.ways {
		w.Stall()
	}
}

// Resume ends [Regions.Stall].
func (r *Regions) Resume() {
	for _, w := range r.ways {
		w.Resume()
	}
}

// connected waits until every server has a gateway to the other region and the other way
// round, or none has.
func (r *Regions) connected(want bool) {
	r.t.Helper()
	what := map[bool]string{true: "gateways", false: "the loss of the gateways"}[want]
	eventually.True(r.t, what, func() bool {
		in := 0
		for _, s := range append([]*server.Server{r.far}, r.servers...) {
			info, err := s.Gatewayz(nil)
			if err != nil || (len(info.OutboundGateways) > 0) != want {
				return false
			}
			for _, from := range info.InboundGateways {
				in += len(from)
			}
		}
		return want && in == len(r.servers)+1 || !want && in == 0
	})
}
