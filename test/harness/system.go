package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// System is a running Fairlead: brokers, a bridge and the agents of one cluster.
// The fields do not change after StartSystem. What StartAgent and StartBridge add is
// stopped by the caller or by Stop.
type System struct {
	Options SystemOptions
	Config  string // the folder that init made
	Token   string // a caller's token for the bridge

	Brokers []*Node // empty if the bridge embeds one
	Bridge  *Node
	// MoreBridges are those of StartBridge.
	MoreBridges []*Node
	Agents      []*Node

	embedded  string // where the bridge's own broker listens
	webSocket string // its address for agents by WebSocket; "" without that option
	client    *http.Client
	ops       *http.Client
}

// Node is one running binary of Fairlead. It can be started again on the same
// addresses after its Process has ended.
type Node struct {
	*Process
	Address string // where it serves: NATS for a broker, HTTPS for a bridge
	Ops     string // URL of its ops listener
}

// SystemOptions are the options of StartSystem. The zero value of each except Dir,
// Binaries and AgentKubeconfig is the default.
type SystemOptions struct {
	Dir      string // working folder: configuration and logs
	Binaries Binaries
	Tenant   string // "acme" by default
	Cluster  string // "prod" by default
	// Brokers is the number of broker processes that form a cluster, with a
	// separate bridge. 0 means that the bridge embeds a broker.
	Brokers int
	// Regions, instead of Brokers, is the number of broker processes in each region; those
	// of a region form a cluster, and gateways join the regions. Agents connect to the
	// first one unless they are told another, the bridge to the last.
	Regions []int
	// Gateway, if not nil, returns where other regions reach a broker that listens on the
	// address for them.
	Gateway func(address string) string
	// Store makes broker processes, those of the first region, keep what bridges share,
	// each in a folder of its own, and the bridge use it.
	Store bool
	// Config, unless "", is the folder that another System's init made, to be used
	// instead of a new one.
	Config string
	// BeforeBridge, if not nil, is called when the brokers are ready and no bridge
	// has been started.
	BeforeBridge func(*System) error
	// Host is the address of this machine at which agents reach brokers:
	// 127.0.0.1 by default; agents in pods need that of their node.
	Host string
	// Names are more names and addresses that the certificate is for.
	Names []string
	// ClusterDomain gives each cluster its own host below that domain, in the
	// bridge and in the certificate.
	ClusterDomain string
	// WebSocket makes the embedded broker accept agents by WebSocket too.
	WebSocket bool
	// Agents is the cluster's number of instances, 1 by default; -1 for none.
	Agents int
	// AgentKubeconfig is how agents reach their API server.
	AgentKubeconfig string
	BridgeFlags     []string // more flags
	AgentFlags      []string
	Env             []string // of every process, as NAME=value
	// Expires, unless 0, is the lifetime of the agent's credentials.
	Expires time.Duration
	// Progress, if not nil, is called with each step.
	Progress func(string)
}

const (
	// readyWithin bounds the start of one binary. With the race detector it
	// takes seconds on a loaded machine, and brokers with a store elect its leader
	// first, with gateways too.
	readyWithin = 3 * time.Minute
	// stopWithin bounds the orderly stop of one; drains take up to 30 s.
	stopWithin = 45 * time.Second
)

// StartSystem makes a first installation and starts it. It returns when the
// cluster is reachable through the bridge, or, without agents, when the bridge
// is ready. On failure it has stopped what it started.
func StartSystem(ctx context.Context, o SystemOptions) (_ *System, err error) {
	o.setDefaults()
	s := &System{
		Options: o, Config: cmp.Or(o.Config, filepath.Join(o.Dir, "config")),
		ops: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if err := s.init(ctx); err != nil {
		return nil, err
	}
	if err := s.startBrokers(ctx); err != nil {
		return nil, err
	}
	if o.BeforeBridge != nil {
		if err := o.BeforeBridge(s); err != nil {
			return nil, err
		}
	}
	if err := s.startBridge(ctx); err != nil {
		return nil, err
	}
	for range o.Agents {
		if _, err := s.StartAgent(ctx, AgentOptions{}); err != nil {
			return nil, err
		}
	}
	if o.Agents > 0 {
		if err := s.WaitReachable(ctx, s.Ref()); err != nil {
			return nil, err
		}
		o.Progress("cluster " + s.Ref() + " is reachable through the bridge")
	}
	return s, nil
}

func (o *SystemOptions) setDefaults() {
	if o.Tenant == "" {
		o.Tenant = "acme"
	}
	if o.Cluster == "" {
		o.Cluster = "prod"
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Agents == 0 {
		o.Agents = 1
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
}

// Ref is the cluster's name for callers of the bridge.
func (s *System) Ref() string { return s.Options.Cluster + "." + s.Options.Tenant }

func (s *System) config(parts ...string) string {
	return filepath.Join(append([]string{s.Config}, parts...)...)
}

func (s *System) log(name string) string { return filepath.Join(s.Options.Dir, "logs", name+".log") }

// CAFile is the certificate that broker and bridge are verified against.
func (s *System) CAFile() string { return s.config("tls", "ca.crt") }

// CredsFile is the credentials of the cluster's agent.
func (s *System) CredsFile() string {
	return s.config("creds", s.Options.Cluster+"."+s.Options.Tenant+".creds")
}

// init makes keys, certificates, credentials and configuration, unless they are
// there.
func (s *System) init(ctx context.Context) error {
	if s.Options.Config == "" {
		if err := s.makeConfig(ctx); err != nil {
			return err
		}
	}
	token, err := os.ReadFile(s.config("token"))
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	s.Token = strings.TrimSpace(string(token))
	if s.client, err = s.NewClient(); err != nil {
		return err
	}
	s.Options.Progress("keys, certificates and credentials are in " + s.Config)
	return nil
}

func (s *System) makeConfig(ctx context.Context) error {
	args := []string{"init", "--dir", s.Config, "--tenant", s.Options.Tenant, "--cluster", s.Options.Cluster}
	if s.Options.Host != "127.0.0.1" {
		args = append(args, "--host", s.Options.Host) // for the certificate
	}
	for _, name := range s.Options.Names {
		args = append(args, "--host", name)
	}
	if s.Options.ClusterDomain != "" {
		args = append(args, "--cluster-domain", s.Options.ClusterDomain)
	}
	if s.Options.Expires != 0 {
		args = append(args, "--expires", s.Options.Expires.String())
	}
	if err := os.MkdirAll(s.Options.Dir, 0o755); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_, err := s.BrokerCommand(ctx, args...)
	return err
}

// BrokerCommand runs fairlead-broker to its end and returns its output.
func (s *System) BrokerCommand(ctx context.Context, args ...string) (string, error) {
	return run(ctx, s.Options.Binaries.Broker, args...)
}

// WebSocketURL is where agents connect by WebSocket, with that option.
func (s *System) WebSocketURL() string { return "wss://" + s.webSocket }

// BrokerURLs is where agents connect, comma-separated.
func (s *System) BrokerURLs() string {
	if len(s.Brokers) == 0 {
		return "tls://" + s.embedded
	}
	return urls(s.Brokers)
}

func urls(brokers []*Node) string {
	var all []string
	for _, b := range brokers {
		all = append(all, "tls://"+b.Address)
	}
	return strings.Join(all, ",")
}

// agentURLs and bridgeURLs are where those connect that are told nothing else.
func (s *System) agentURLs() string {
	if len(s.Options.Regions) == 0 {
		return s.BrokerURLs()
	}
	return s.RegionURLs(0)
}

func (s *System) bridgeURLs() string {
	if n := len(s.Options.Regions); n > 0 {
		return s.RegionURLs(n - 1)
	}
	return s.BrokerURLs()
}

// WaitReachable waits until the API server of a cluster answers through the
// bridge.
func (s *System) WaitReachable(ctx context.Context, ref string) error {
	return Until(ctx, "cluster "+ref+" to be reachable", readyWithin, s.Bridge.Process, func(ctx context.Context) error {
		_, err := get(ctx, s.client, s.URL("/k8s/clusters/"+ref+"/version"))
		return err
	})
}

// Offline is nil when the bridge says that the cluster is not connected.
func (s *System) Offline(ctx context.Context) error {
	body, err := get(ctx, s.client, s.URL("/v1/clusters/"+s.Ref()))
	if err != nil {
		return err
	}
	if !strings.Contains(body, `"state":"offline"`) {
		return fmt.Errorf("the bridge says %s", body)
	}
	return nil
}

// Metrics scrapes a node.
func (s *System) Metrics(ctx context.Context, n *Node) (*Metrics, error) {
	return Scrape(ctx, s.ops, n.Ops+"/metrics")
}

// Get reads a path of a node's ops listener.
func (s *System) Get(ctx context.Context, n *Node, path string) (string, error) {
	return get(ctx, s.ops, n.Ops+path)
}

// Stop ends everything, last started first, and reports what had to be killed.
func (s *System) Stop() error {
	var errs []error
	nodes := slices.Concat(s.Brokers, []*Node{s.Bridge}, s.MoreBridges, s.Agents)
	for _, n := range slices.Backward(nodes) {
		if n != nil {
			errs = append(errs, n.Stop(stopWithin))
		}
	}
	s.ops.CloseIdleConnections()
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	return errors.Join(errs...)
}

// Logs returns the ends of all logs, for the report of a failure.
func (s *System) Logs(lines int) string {
	var b strings.Builder
	for _, n := range slices.Concat(s.Brokers, []*Node{s.Bridge}, s.MoreBridges, s.Agents) {
		if n != nil {
			fmt.Fprintf(&b, "%s:\n%s\n", n.Log(), Tail(n.Log(), lines))
		}
	}
	return b.String()
}
