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

func (s *System) startBrokers(ctx context.Context) error {
	type addresses struct{ clients, routes, ops string }
	all := make([]addresses, s.Options.Brokers)
	var routes []string
	for i := range all {
		if err := freeAddresses(&all[i].routes, &all[i].ops); err != nil {
			return err
		}
		var err error
		if all[i].clients, err = freeport.AddressOn(s.Options.Host); err != nil {
			return err
		}
		routes = append(routes, "tls://"+all[i].routes)
	}
	for i, a := range all {
		name := "broker-" + strconv.Itoa(i+1)
		args := []string{"run", "--dir", s.Config, "--name", name, "--resolver-dir", filepath.Join(s.Options.Dir, name, "jwt"),
			"--listen", a.clients, "--websocket-listen", "off", "--ops-listen", a.ops, "--ops-pprof"}
		if len(all) > 1 {
			args = append(args, "--routes-listen", a.routes, "--routes", strings.Join(routes, ","))
		}
		if s.Options.Store {
			args = append(args, "--store-dir", filepath.Join(s.Options.Dir, name, "store"))
		}
		n, err := s.start(name, s.Options.Binaries.Broker, a.clients, a.ops, args...)
		if err != nil {
			return err
		}
		s.Brokers = append(s.Brokers, n)
	}
	for _, n := range s.Brokers {
		if err := s.waitReady(ctx, n); err != nil {
			return err
		}
		err := Until(ctx, n.Name()+" to know the other brokers", readyWithin, n.Process, func(ctx context.Context) error {
			m, err := s.Metrics(ctx, n)
			if err != nil {
				return err
			}
			if got := m.Sum("fairlead_broker_routes"); int(got) < len(s.Brokers)-1 {
				return fmt.Errorf("%g routes", got)
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.Options.Progress(n.Name() + " takes connections on " + n.Address)
	}
	return nil
}

func (s *System) startBridge(ctx context.Context) (err error) {
	s.Bridge, err = s.bridge(ctx, "bridge", s.BrokerURLs())
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
		{&o.Servers, s.BrokerURLs()},
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
