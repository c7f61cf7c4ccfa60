//go:build linux

package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// bridge is one beside that of the suite, at the same broker.
type bridge struct {
	*harness.Process
	url  string   // for callers outside
	args []string // without the command
}

// bridgeArgs are a bridge's flags, with those that say how it reaches the broker.
func bridgeArgs(listen, tenants string, broker ...string) []string {
	file := func(parts ...string) string {
		return filepath.Join(append([]string{shared.system.Config}, parts...)...)
	}
	return append([]string{
		"--listen", listen, "--tls-cert", file("tls", "server.crt"), "--tls-key", file("tls", "server.key"), "--tls-ca", shared.system.CAFile(),
		"--tokens", file("tokens.yaml"), "--tenants", tenants, "--bridge-key", file("keys", "bridge.nk"), "--ops-listen", "",
	}, broker...)
}

// startBridge starts a bridge with a list of tenants, and waits until it listens.
func startBridge(t *testing.T, name, binary, tenants string) *bridge {
	t.Helper()
	listen, err := freeport.AddressOn("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s := shared
	b := &bridge{url: "https://" + listen, args: bridgeArgs(listen, tenants, "--broker-url", s.system.BrokerURLs(), "--broker-ca", s.system.CAFile())}
	b.start(t, program{name: name, dir: t.TempDir(), path: binary, listen: listen})
	return b
}

func (b *bridge) start(t *testing.T, p program) {
	t.Helper()
	var err error
	p.args = append([]string{"run", "--log-format", "json"}, b.args...)
	if b.Process, err = shared.run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(45 * time.Second); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the bridge's log ends with:\n%s", harness.Tail(b.Log(), 25))
		}
	})
}

// startBridge starts a bridge inside the site, which takes an agent's route to the broker.
// Callers outside reach it through a forwarder of the test.
func (si *site) startBridge(r route) *bridge {
	si.t.Helper()
	const inside = "127.0.0.1:8443"
	broker := []string{"--broker-url", r.server, "--broker-ca", si.caFile}
	for _, flag := range r.flags {
		if name, ok := strings.CutPrefix(flag, "--"); ok {
			flag = "--broker-" + name
		}
		broker = append(broker, flag)
	}
	b := &bridge{args: bridgeArgs(inside, filepath.Join(si.system.Config, "tenants.yaml"), broker...)}
	b.start(si.t, program{
		name: "bridge-" + si.cluster, dir: si.dir, space: si.inside, path: si.system.Options.Binaries.Bridge,
		listen: inside, env: slices.Concat(noProxies, r.env),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	si.must(err)
	si.t.Cleanup(forward(listener, inside, si.inside.Dial))
	b.url = "https://" + listener.Addr().String()
	return b
}

// caller returns a user who reaches a cluster through this bridge.
func (b *bridge) caller(t *testing.T, cluster string) *caller {
	t.Helper()
	c := &caller{t: t, kubectl: shared.Kube.Kubectl, config: filepath.Join(t.TempDir(), "kubeconfig")}
	testbed.Until(t, "the cluster to be known at the bridge", 30*time.Second, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/v1/clusters/"+cluster+".acme/kubeconfig", nil)
		if err != nil {
			return err
		}
		resp, err := shared.system.Client().Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, text)
		}
		if err != nil {
			return err
		}
		return os.WriteFile(c.config, text, 0o600)
	})
	return c
}

// TestBridgeBehindProxy: a bridge whose only way out is a forward proxy with a login from
// a file carries what people do, over both transports.
func TestBridgeBehindProxy(t *testing.T) {
	t.Parallel()
	agent := newOpenSite(t)
	agent.start(route{server: agent.server("tls")})
	agent.reachable()
	for _, transport := range []string{"tls", "wss"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			b := si.startBridge(si.through(transport, proxyNamed("squid-basic-file")))
			c := b.caller(t, agent.cluster)
			if got := c.run("get", "pods", "-o", "name"); got != "pod/"+podName+"\n" {
				t.Errorf("get pods: %q", got)
			}
			c.follow()
			if len(si.connections(perimeterIP)) == 0 {
				t.Error("the bridge has no connection to the proxy")
			}
		})
	}
}
