package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// place is where a broker is, and listens.
type place struct {
	region                         int // of Options.Regions
	clients, routes, gateways, ops string
}

// places finds addresses for all brokers.
func (s *System) places() ([]place, error) {
	regions := s.Options.Regions
	if len(regions) == 0 {
		regions = []int{s.Options.Brokers}
	}
	var all []place
	for region, n := range regions {
		for range n {
			p := place{region: region}
			if err := freeAddresses(&p.routes, &p.gateways, &p.ops); err != nil {
				return nil, err
			}
			var err error
			if p.clients, err = freeport.AddressOn(s.Options.Host); err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// joined are the flags by which a broker finds the others.
func (s *System) joined(at place, all []place) (flags []string) {
	var routes, gateways []string
	for _, p := range all {
		if p.region == at.region {
			routes = append(routes, "tls://"+p.routes)
		}
		way := p.gateways
		if s.Options.Gateway != nil {
			way = s.Options.Gateway(way)
		}
		gateways = append(gateways, RegionName(p.region)+"=tls://"+way)
	}
	if len(routes) > 1 {
		flags = append(flags, "--routes-listen", at.routes, "--routes", strings.Join(routes, ","))
	}
	if len(s.Options.Regions) > 0 {
		flags = append(flags, "--cluster-name", RegionName(at.region), "--gateways-listen", at.gateways, "--gateways", strings.Join(gateways, ","))
	}
	return flags
}

// RegionName is the name of a region of [SystemOptions.Regions].
func RegionName(region int) string { return "region-" + strconv.Itoa(region+1) }

func (s *System) startBrokers(ctx context.Context) error {
	all, err := s.places()
	if err != nil {
		return err
	}
	for i, p := range all {
		name := "broker-" + strconv.Itoa(i+1)
		args := []string{"run", "--dir", s.Config, "--name", name, "--resolver-dir", filepath.Join(s.Options.Dir, name, "jwt"),
			"--listen", p.clients, "--websocket-listen", "off", "--ops-listen", p.ops, "--ops-pprof"}
		args = append(args, s.joined(p, all)...)
		if s.Options.Store && p.region == 0 {
			args = append(args, "--store-dir", filepath.Join(s.Options.Dir, name, "store"))
		}
		n, err := s.start(name, s.Options.Binaries.Broker, p.clients, p.ops, args...)
		if err != nil {
			return err
		}
		s.Brokers = append(s.Brokers, n)
	}
	for i, n := range s.Brokers {
		if err := s.waitReady(ctx, n); err != nil {
			return err
		}
		others := -1
		for _, p := range all {
			if p.region == all[i].region {
				others++
			}
		}
		err := Until(ctx, n.Name()+" to know the other brokers", readyWithin, n.Process, func(ctx context.Context) error {
			return s.knows(ctx, n, others)
		})
		if err != nil {
			return err
		}
		s.Options.Progress(n.Name() + " takes connections on " + n.Address)
	}
	return nil
}

// knows is nil if a broker is connected to so many others of its region, and to every
// other region.
func (s *System) knows(ctx context.Context, n *Node, others int) error {
	m, err := s.Metrics(ctx, n)
	if err != nil {
		return err
	}
	if got := m.Sum("fairlead_broker_routes"); int(got) < others {
		return fmt.Errorf("%g routes", got)
	}
	if got, want := m.Sum("fairlead_broker_region_connected"), len(s.Options.Regions)-1; int(got) < want {
		return fmt.Errorf("connected to %g of %d other regions", got, want)
	}
	return nil
}

// RegionURLs is where agents and bridges of a region connect, comma-separated.
func (s *System) RegionURLs(region int) string {
	first := 0
	for _, n := range s.Options.Regions[:region] {
		first += n
	}
	return urls(s.Brokers[first : first+s.Options.Regions[region]])
}

func (s *System) startBridge(ctx context.Context) (err error) {
	s.Bridge, err = s.bridge(ctx, "bridge", s.bridgeURLs())
	if err == nil {
		s.Options.Progress("bridge serves " + s.URL("/"))
	}
	return err
}

// StartBridge starts another bridge, which is configured like the system's but for the
// broker processes that it connects to: URLs, comma-separated. It returns when that is
// ready.
func (s *System) StartBridge(ctx context.Context, name, brokers string) (*Node, error) {
	if len(s.Brokers) == 0 {
		return nil, errors.New("start bridge: the brokers are no processes of their own")
	}
	n, err := s.bridge(ctx, name, brokers)
	if n != nil {
		s.MoreBridges = append(s.MoreBridges, n)
	}
	return n, err
}

// bridge starts a bridge and waits until it is ready. A node with an error is one that
// is not.
func (s *System) bridge(ctx context.Context, name, brokers string) (*Node, error) {
	var listen, ops string
	if err := freeAddresses(&listen, &ops); err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(listen, ":")
	args := []string{
		"run",
		"--listen", listen, "--ops-listen", ops, "--ops-pprof", "--public-url", "https://localhost:" + port,
		"--tls-cert", s.config("tls", "server.crt"), "--tls-key", s.config("tls", "server.key"), "--tls-ca", s.CAFile(),
		"--tokens", s.config("tokens.yaml"), "--tenants", s.config("tenants.yaml"), "--bridge-key", s.config("keys", "bridge.nk"),
	}
	if s.Options.ClusterDomain != "" {
		args = append(args, "--cluster-domain", s.Options.ClusterDomain)
	}
	if len(s.Brokers) == 0 {
		if err := s.embeddedAddresses(); err != nil {
			return nil, err
		}
		websocket := s.webSocket
		if websocket == "" {
			websocket = "off"
		}
		args = append(args, "--broker-dir", s.Config, "--broker-listen", s.embedded, "--broker-websocket-listen", websocket)
	} else {
		args = append(args, "--broker-url", brokers, "--broker-ca", s.CAFile())
	}
	if s.Options.Store {
		account, err := os.ReadFile(s.config("store.account"))
		if err != nil {
			return nil, fmt.Errorf("start bridge: %w", err)
		}
		args = append(args, "--store-account", strings.TrimSpace(string(account)), "--store-key", s.config("keys", "store.nk"))
	}
	n, err := s.start(name, s.Options.Binaries.Bridge, listen, ops, append(args, s.Options.BridgeFlags...)...)
	if err != nil {
		return nil, err
	}
	return n, s.waitReady(ctx, n)
}

func (s *System) embeddedAddresses() (err error) {
	if s.embedded, err = freeport.AddressOn(s.Options.Host); err != nil || !s.Options.WebSocket {
		return err
	}
	s.webSocket, err = freeport.AddressOn(s.Options.Host)
	return err
}

// AgentOptions say how an agent differs from the system's own.
type AgentOptions struct {
	Name       string // of process and log; "agent-1" and so on by default
	Servers    string // by default all brokers
	Creds      string // by default those that init made
	CA         string // by default init's
	Kubeconfig string // by default that of the system
	Flags      []string
	// NoWait makes StartAgent return at once, for an agent that will not get
	// ready.
	NoWait bool
}

// StartAgent starts another agent and waits until it is ready.
func (s *System) StartAgent(ctx context.Context, o AgentOptions) (*Node, error) {
	for _, d := range []struct {
		field    *string
		fallback string
	}{
		{&o.Name, "agent-" + strconv.Itoa(len(s.Agents)+1)},
		{&o.Servers, s.agentURLs()},
		{&o.Creds, s.CredsFile()},
		{&o.CA, s.CAFile()},
		{&o.Kubeconfig, s.Options.AgentKubeconfig},
	} {
		if *d.field == "" {
			*d.field = d.fallback
		}
	}
	ops, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	args := []string{"--server", o.Servers, "--ca", o.CA, "--creds", o.Creds, "--kubeconfig", o.Kubeconfig,
		"--ops-listen", ops, "--ops-pprof"}
	n, err := s.start(o.Name, s.Options.Binaries.Agent, "", ops, slices.Concat(args, s.Options.AgentFlags, o.Flags)...)
	if err != nil {
		return nil, err
	}
	s.Agents = append(s.Agents, n)
	if o.NoWait {
		return n, nil
	}
	if err := s.waitReady(ctx, n); err != nil {
		return nil, err
	}
	s.Options.Progress(o.Name + " is connected to broker and API server")
	return n, nil
}

func (s *System) start(name, path, address, ops string, args ...string) (*Node, error) {
	p, err := Start(Spec{Name: name, Path: path, Args: args, Log: s.log(name), Env: s.Options.Env})
	if err != nil {
		return nil, err
	}
	return &Node{Process: p, Address: address, Ops: "http://" + ops}, nil
}

// Restart starts a node that has ended again, with the same arguments.
func (s *System) Restart(ctx context.Context, n *Node) error {
	select {
	case <-n.Done():
	default:
		return fmt.Errorf("restart %s: it still runs", n.Name())
	}
	p, err := Start(n.spec)
	if err != nil {
		return err
	}
	n.Process = p
	return s.waitReady(ctx, n)
}

func (s *System) waitReady(ctx context.Context, n *Node) error {
	return Until(ctx, n.Name()+" to be ready", readyWithin, n.Process, func(ctx context.Context) error {
		_, err := get(ctx, s.ops, n.Ops+"/readyz")
		return err
	})
}

// freeAddresses fills in several addresses.
func freeAddresses(into ...*string) error {
	for _, a := range into {
		var err error
		if *a, err = freeport.Address(); err != nil {
			return err
		}
	}
	return nil
}
