//go:build linux

package network

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/test/harness"
)

// noticedWithin bounds the time in which an agent or a bridge notices that packets are
// dropped, and connects again.
const noticedWithin = 45 * time.Second

// TestBlackHole: packets of the agent's connection are dropped without an answer. The
// agent notices and connects again. Everything that runs goes on over the new
// connection, without a lost or a doubled byte.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ transport, proxy string }{{"tls", "squid"}, {"wss", "tinyproxy-basic"}} {
		t.Run(tt.transport+"/"+tt.proxy, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			si.start(si.through(tt.transport, proxyNamed(tt.proxy)))
			si.reachable()
			s := si.startStreams(si.caller())
			before := si.connections(perimeterIP)
			si.swallow(perimeterIP, before)
			took := si.connectsAgain(perimeterIP, before)
			t.Logf("connected again after %s", took.Round(time.Millisecond))
			s.more(30, time.Minute)
			si.reachable()
		})
	}
}

// TestBlackHoleOfBridge: the same with the connection of the bridge.
func TestBlackHoleOfBridge(t *testing.T) {
	t.Parallel()
	si := newOpenSite(t)
	si.start(route{server: si.server("tls")})
	si.reachable()
	ofAgent := si.connections(outsideIP)
	s := si.startStreams(si.callerBeside())
	before := si.connections(outsideIP)
	si.swallow(outsideIP, slices.DeleteFunc(slices.Clone(before), func(port string) bool {
		return port == bridgePort || slices.Contains(ofAgent, port)
	}))
	took := si.connectsAgain(outsideIP, append(before, bridgePort))
	t.Logf("connected again after %s", took.Round(time.Millisecond))
	s.more(30, time.Minute)
}

// bridgePort is where a bridge of the site listens.
const bridgePort = "8443"

// callerBeside starts a bridge in the open site, on the brokers that all use, and
// returns a user of it.
func (si *site) callerBeside() *caller {
	si.t.Helper()
	c := si.caller()
	at := strings.Replace(si.ip, "10.203.0.", openPrefix, 1) + ":" + bridgePort
	file := func(parts ...string) string { return filepath.Join(append([]string{si.system.Config}, parts...)...) }
	log := filepath.Join(si.dir, "bridge.log")
	bridge, err := harness.Start(si.inside.Spec(harness.Spec{
		Name: "bridge", Path: si.system.Options.Binaries.Bridge, Log: log,
		Args: []string{
			"run", "--listen", at, "--ops-listen", "127.0.0.1:8081", "--public-url", "https://" + at,
			"--tls-cert", file("tls", "server.crt"), "--tls-key", file("tls", "server.key"), "--tls-ca", si.system.CAFile(),
			"--tokens", file("tokens.yaml"), "--tenants", file("tenants.yaml"), "--bridge-key", file("keys", "bridge.nk"),
			"--broker-url", si.server("tls"), "--broker-ca", si.system.CAFile(),
		},
	}))
	if err != nil {
		si.t.Fatal(err)
	}
	si.t.Cleanup(func() {
		if err := bridge.Stop(45 * time.Second); err != nil {
			si.t.Error(err)
		}
		if si.t.Failed() {
			si.t.Logf("the bridge's log ends with:\n%s", harness.Tail(log, 25))
		}
	})
	config, err := clientcmd.LoadFromFile(c.config)
	if err != nil {
		si.t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		cluster.Server = "https://" + at + "/k8s/clusters/" + si.cluster + ".acme"
		cluster.TLSServerName = brokerName
	}
	c.config = si.writeConfig("beside.kubeconfig", config)
	err = harness.Until(si.t.Context(), "the bridge in the site to reach the cluster", 30*time.Second, bridge, func(ctx context.Context) error {
		_, err := harness.Kubectl(ctx, c.kubectl, c.config, "", "get", "--raw", "/version")
		return err
	})
	if err != nil {
		si.t.Fatal(err)
	}
	return c
}

// TestCut: the agent's connection is reset. Everything that runs goes on over a new one,
// without a lost or a doubled byte.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ transport, proxy string }{{"tls", "squid"}, {"wss", "tinyproxy-basic"}} {
		t.Run(tt.transport+"/"+tt.proxy, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			si.start(si.through(tt.transport, proxyNamed(tt.proxy)))
			si.reachable()
			s := si.startStreams(si.caller())
			before := si.connections(perimeterIP)
			for _, port := range before {
				si.iptables("-A", "OUTPUT", "-p", "tcp", "-d", perimeterIP, "--sport", port, "-j", "REJECT", "--reject-with", "tcp-reset")
			}
			si.connectsAgain(perimeterIP, before)
			s.more(30, time.Minute)
		})
	}
}

// connectsAgain waits for a connection to an address that was not there before.
func (si *site) connectsAgain(ip string, before []string) (after time.Duration) {
	si.t.Helper()
	began := time.Now()
	err := harness.Until(si.t.Context(), "a new connection to "+ip, noticedWithin, si.agent, func(context.Context) error {
		for _, port := range si.connections(ip) {
			if !slices.Contains(before, port) {
				return nil
			}
		}
		return errors.New("no new connection")
	})
	if err != nil {
		si.t.Fatal(err)
	}
	return time.Since(began)
}
