//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
	"github.com/fairlead-io/fairlead/test/network/netns"
)

// site is the place of one agent: a namespace, a way to the API server, and credentials of
// a cluster of its own.
type site struct {
	*suite
	t       *testing.T
	inside  *netns.Space
	ip      string
	cluster string
	creds   string // file with the credentials
	config  string // kubeconfig of the agent
	dir     string
	agent   *harness.Process
}

const (
	// trap is where everything goes that does not go to the perimeter.
	trap  = "trap"
	opsAt = "127.0.0.1:8080"
	// openPrefix begins the addresses of sites that reach the outside.
	openPrefix = "10.203.64."
	apiPort    = "6443"
)

// newSite makes a site whose only way out are the proxies of the perimeter. When the test
// ends, the trap must have counted nothing.
func newSite(t *testing.T) *site {
	t.Helper()
	si := makeSite(t)
	t.Cleanup(func() {
		if n, err := si.inside.Sent(trap); n != 0 || err != nil {
			t.Errorf("%d packets (%v) tried to leave past the perimeter: %s", n, err, harness.Tail(si.log(), 15))
		}
	})
	si.enclose()
	return si
}

// newOpenSite makes a site that reaches the outside directly, and no proxy.
func newOpenSite(t *testing.T) *site {
	t.Helper()
	si := makeSite(t)
	number := strings.TrimPrefix(si.ip, "10.203.0.")
	out := netns.Prefix + "d" + number
	ip := openPrefix + number
	err := errors.Join(
		netns.IP(t.Context(), "link add "+out+" type veth peer name direct netns "+si.inside.Name(), "link set "+out+" up",
			"route add "+ip+"/32 dev "+out+" src "+outsideIP),
		si.inside.IP(t.Context(), "addr add "+ip+"/32 dev direct", "link set direct up", "route add "+outsideIP+"/32 dev direct src "+ip),
		si.inside.Hosts(map[string]string{brokerName: outsideIP, webName: outsideIP}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return si
}

// makeSite makes a site without a way out.
func makeSite(t *testing.T) *site {
	t.Helper()
	testbed.Need(t)
	n := int(shared.sites.Add(1)) + 1 // behind the perimeter's own address
	si := &site{suite: shared, t: t, ip: fmt.Sprintf("10.203.0.%d", n), cluster: testbed.NamespaceName(t)}
	var err error
	if si.inside, err = netns.Make(t.Context(), fmt.Sprint("a", n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := si.inside.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	si.dir = filepath.Join(si.Dir, si.cluster)
	si.creds = si.mint(si.cluster)
	si.forwardAPI()
	return si
}

// enclose connects the site to the perimeter, and everything else to the trap.
func (si *site) enclose() {
	si.t.Helper()
	n := strings.TrimPrefix(si.ip, "10.203.0.")
	const gateway = "10.203.192.1"
	err := errors.Join(
		si.perimeter.IP(si.t.Context(), "link add p"+n+" type veth peer name perimeter netns "+si.inside.Name(),
			"link set p"+n+" master inside", "link set p"+n+" up"),
		si.inside.IP(si.t.Context(), "addr add "+si.ip+"/32 dev perimeter", "link set perimeter up",
			"route add "+perimeterIP+"/32 dev perimeter src "+si.ip,
			"link add "+trap+" type veth peer name nowhere", "addr add 10.203.192.2/32 dev "+trap, "link set nowhere up", "link set "+trap+" up",
			"neigh add "+gateway+" lladdr 02:00:00:00:00:01 nud permanent dev "+trap, "route add default via "+gateway+" dev "+trap+" onlink"),
	)
	if err != nil {
		si.t.Fatal(err)
	}
}

// mint makes credentials for the agent of a cluster.
func (si *site) mint(cluster string, more ...string) (file string) {
	si.t.Helper()
	si.mu.Lock()
	defer si.mu.Unlock()
	args := append([]string{"cluster", "add", "--dir", si.system.Config, "--tenant", "acme", "--cluster", cluster}, more...)
	if _, err := si.system.BrokerCommand(si.t.Context(), args...); err != nil {
		si.t.Fatal(err)
	}
	return filepath.Join(si.system.Config, "creds", cluster+".acme.creds")
}

// forwardAPI lets the agent reach its API server, at an address of the namespace that is
// not loopback, so that an agent that asked a proxy for it would fail.
func (si *site) forwardAPI() {
	si.t.Helper()
	if err := si.inside.IP(si.t.Context(), "addr add "+apiIP+"/32 dev lo"); err != nil {
		si.t.Fatal(err)
	}
	listener, err := si.inside.Listen(net.JoinHostPort(apiIP, apiPort))
	if err != nil {
		si.t.Fatal(err)
	}
	server, err := url.Parse(si.Kube.Server)
	if err != nil {
		si.t.Fatal(err)
	}
	si.t.Cleanup(forward(listener, server.Host, new(net.Dialer).DialContext))
	config, err := clientcmd.LoadFromFile(si.system.Options.AgentKubeconfig)
	if err != nil {
		si.t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server, c.TLSServerName = "https://"+listener.Addr().String(), server.Hostname()
	}
	si.config = si.writeConfig("agent.kubeconfig", config)
}

func (si *site) writeConfig(name string, config *clientcmdapi.Config) string {
	si.t.Helper()
	path := filepath.Join(si.dir, name)
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		si.t.Fatal(err)
	}
	return path
}

// dialer connects to an address, in the namespace that it is of.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// forward passes on connections until stop is called, which ends them.
func forward(l net.Listener, to string, dial dialer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // stopped
			}
			wg.Go(func() { pass(ctx, from, to, dial) })
		}
	})
	return func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	}
}

// pass passes on one connection until an end of it, or ctx, ends.
func pass(ctx context.Context, from net.Conn, address string, dial dialer) {
	defer from.Close()
	to, err := dial(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { _, _ = from.Close(), to.Close() })()
	var wg sync.WaitGroup
	wg.Go(func() { copyOneWay(to, from) })
	copyOneWay(from, to)
	wg.Wait()
}

func copyOneWay(to, from net.Conn) {
	_, _ = io.Copy(to, from) // whatever ended it
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}

// log is the agent's log.
func (si *site) log() string { return filepath.Join(si.dir, "agent.log") }

// route says how an agent reaches the broker.
type route struct {
	server string
	env    []string // of proxies
	flags  []string
	// loginLine, if not "", is what a file with the proxy's user and password holds.
	loginLine string
}

// noProxies are the variables that may not come from the environment of the test.
var noProxies = []string{"HTTPS_PROXY=", "https_proxy=", "HTTP_PROXY=", "http_proxy=", "ALL_PROXY=", "all_proxy=", "NO_PROXY=", "no_proxy="}

// args are the agent's flags. Those of the route replace those that it has here.
func (si *site) args(r route) []string {
	return append([]string{"--server", r.server, "--ca", si.caFile, "--creds", si.creds, "--kubeconfig", si.config}, r.flags...)
}

// start starts the agent.
func (si *site) start(r route) {
	si.t.Helper()
	var err error
	si.agent, err = harness.Start(si.inside.Spec(harness.Spec{
		Name: "agent", Path: si.system.Options.Binaries.Agent, Args: append(si.args(r), "--ops-listen", opsAt, "--log-format", "json"),
		Log: si.log(), Env: slices.Concat(noProxies, r.env),
	}))
	if err != nil {
		si.t.Fatal(err)
	}
	si.t.Cleanup(func() {
		if err := si.agent.Stop(45 * time.Second); err != nil {
			si.t.Error(err)
		}
		if si.t.Failed() {
			si.t.Logf("the agent's log ends with:\n%s", harness.Tail(si.log(), 25))
		}
	})
}

// reachable waits until callers of the bridge reach the cluster.
func (si *site) reachable() {
	si.t.Helper()
	err := harness.Until(si.t.Context(), "the cluster to be reachable", 30*time.Second, si.agent, func(ctx context.Context) error {
		return si.get(ctx, "/version", io.Discard)
	})
	if err != nil {
		si.t.Fatal(err)
	}
}

// get reads a path of the cluster's API through the bridge.
func (si *site) get(ctx context.Context, path string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, si.system.URL("/k8s/clusters/"+si.cluster+".acme"+path), nil)
	if err != nil {
		return err
	}
	resp, err := si.system.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}
