//go:build linux

package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
	"github.com/fairlead-io/fairlead/test/harness/testca"
	"github.com/fairlead-io/fairlead/test/network/netns"
)

// Addresses. Each test's namespace has its own of 10.203.0.0/18 on the perimeter's inner
// network, or of 10.203.64.0/18 if it may reach the outside.
const (
	perimeterIP = "10.203.0.1"   // of the proxies, for agents
	exitIP      = "10.203.255.2" // of the proxies, for the outside
	outsideIP   = "10.203.255.1" // of broker and nginx
	apiIP       = "10.203.128.1" // of the API server, in each namespace of an agent
	brokerName  = "broker.corp.example"
	webName     = "git.corp.example"
	subPath     = "/-/fairlead/" // of the broker at the web server
	idlePath    = "/-/idle/"     // the same with short time-outs
)

// suite is what all tests share. Nothing in it changes once the tests run, except for
// what is guarded.
type suite struct {
	*testbed.Suite
	system    *harness.System // an embedded broker, reached as tls:// and wss://
	perimeter *netns.Space
	ca        *testca.CA // of proxies and web servers
	caFile    string     // with the CAs of the broker and of these
	web       *harness.Process
	webURL    string // of the broker behind nginx
	programs  string // folder of the programs' files, which any user may read

	sites  atomic.Int32 // how many namespaces of agents have been made
	broken *faults

	mu      sync.Mutex // guards all below, and the credentials in the system's folder
	proxies map[string]*proxy
}

var shared *suite // nil where nothing was started

func TestMain(m *testing.M) {
	// Tests mostly wait, so that more of them than processors run at a time.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	testbed.Main(m, "network", start)
}

// needs are the programs that are not of Fairlead, with Debian's package.
var needs = map[string]string{
	"nginx": "nginx-light", "squid": "squid-openssl", "cntlm": "cntlm", "tinyproxy": "tinyproxy-bin",
	"microsocks": "microsocks", "danted": "dante-server", "dnsmasq": "dnsmasq-base", "iptables": "iptables", "openssl": "openssl", "setpriv": "util-linux", "faketime": "faketime",
}

func missing() error {
	errs := []error{netns.Missing()}
	for program, pkg := range needs {
		if _, err := exec.LookPath(program); err != nil {
			errs = append(errs, fmt.Errorf("no %s: install package %s ('make network-deps')", program, pkg))
		}
	}
	if modules, _ := filepath.Glob("/usr/lib/nginx/modules/ngx_stream_module.so"); len(modules) == 0 {
		errs = append(errs, errors.New("no stream module of nginx: install package libnginx-mod-stream ('make network-deps')"))
	}
	return errors.Join(errs...)
}

// start builds and starts what tests share.
func start(ctx context.Context, bed *testbed.Suite) error {
	if err := missing(); err != nil {
		return &testbed.MissingError{Err: err}
	}
	s := &suite{Suite: bed, proxies: map[string]*proxy{}, broken: &faults{}}
	release, err := netns.Take(ctx)
	if err != nil {
		return err
	}
	s.OnStop(release)
	if err := s.makePerimeter(ctx); err != nil {
		return err
	}
	binaries, err := harness.Build(ctx, false)
	if err != nil {
		return err
	}
	s.Step("binaries are built, the perimeter is up")
	if err := s.StartKube(ctx, harness.KubeOptions{}); err != nil {
		return err
	}
	if !s.Kube.HasNode() {
		return &testbed.MissingError{Err: errors.New("no node: " + s.Kube.NoNode)}
	}
	if err := s.startPods(ctx); err != nil {
		return err
	}
	agentConfig, err := s.Kube.MakeAgentIdentity(ctx, s.Dir)
	if err != nil {
		return err
	}
	s.system, err = s.StartSystem(ctx, "system", harness.SystemOptions{
		Binaries: binaries, AgentKubeconfig: agentConfig, Host: outsideIP, Names: []string{brokerName},
		WebSocket: true, Agents: -1,
	})
	if err != nil {
		return err
	}
	if err := s.startWeb(ctx); err != nil {
		return err
	}
	s.OnStop(s.stopPrograms)
	shared = s
	return nil
}

// makePerimeter makes the namespace of the proxies, with its two networks, and the folder
// of what programs read and write.
func (s *suite) makePerimeter(ctx context.Context) (err error) {
	if s.perimeter, err = netns.Make(ctx, "perimeter"); err != nil {
		return err
	}
	s.OnStop(func() {
		if err := s.perimeter.Remove(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	const out = netns.Prefix + "out"
	err = errors.Join(
		s.perimeter.Hosts(map[string]string{brokerName: outsideIP, webName: outsideIP}),
		netns.IP(ctx, "link add "+out+" type veth peer name out netns "+s.perimeter.Name(),
			"addr add "+outsideIP+"/30 dev "+out, "link set "+out+" up"),
		s.perimeter.IP(ctx, "addr add "+exitIP+"/30 dev out", "link set out up",
			// Otherwise its address changes with its ports, and those inside lose it for seconds.
			"link add inside address 02:00:00:00:00:02 type bridge", "addr add "+perimeterIP+"/18 dev inside", "link set inside up"),
	)
	if err != nil {
		return err
	}
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), netns.Prefix+"*")) // by a run that died
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	// Not in a folder of the suite, which only root may enter.
	if s.programs, err = os.MkdirTemp("", netns.Prefix); err != nil {
		return err
	}
	s.OnStop(func() { _ = os.RemoveAll(s.programs) })
	return os.Chmod(s.programs, 0o755)
}

// certify makes a certificate of the CA of proxies and web servers, and returns its files.
func (s *suite) certify(dir string, ca *testca.CA, change func(*x509.Certificate)) (cert, key string, err error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: webName}, DNSNames: []string{webName}, IPAddresses: []net.IP{net.ParseIP(outsideIP), net.ParseIP(perimeterIP)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	made, err := ca.Certify(template)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	return cert, key, writePair(cert, key, made)
}

func writePair(cert, key string, made tls.Certificate) error {
	der, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(cert, testca.PEM(made), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o644),
	)
}

// startWeb starts the web server in front of the broker.
func (s *suite) startWeb(ctx context.Context) (err error) {
	if s.ca, err = testca.Make("corp CA"); err != nil {
		return err
	}
	brokerCA, err := os.ReadFile(s.system.CAFile())
	if err != nil {
		return err
	}
	s.caFile = filepath.Join(s.Dir, "ca.crt")
	if err := os.WriteFile(s.caFile, append(brokerCA, s.ca.PEM()...), 0o644); err != nil {
		return err
	}
	at, err := freeport.AddressOn(outsideIP)
	if err != nil {
		return err
	}
	ws, err := url.Parse(s.system.WebSocketURL())
	if err != nil {
		return err
	}
	if s.web, err = s.startNginx(ctx, "web", at, brokerLocations(ws.Host)); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(at)
	s.webURL = "wss://" + net.JoinHostPort(webName, port) + subPath
	return err
}

// stopPrograms stops the proxies and the web server.
func (s *suite) stopPrograms() {
	s.mu.Lock()
	defer s.mu.Unlock()
	processes := []*harness.Process{s.web}
	if s.broken.process != nil {
		processes = append(processes, s.broken.process)
	}
	for _, p := range s.proxies {
		processes = append(processes, p.processes...)
	}
	for _, p := range processes {
		if err := p.Kill(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
