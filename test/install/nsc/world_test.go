package nsc

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// patience bounds waits for events that must happen; it is far above what they
// take.
const patience = 30 * time.Second

// world is the brokers and bridges that run while the keeper does its work.
type world struct {
	place   place
	bin     harness.Binaries
	dir     string // for logs and everything else
	pki     string // certificates, from fairlead-broker init
	token   string
	brokers []*node
	bridges []*node
}

// node is a process that can be restarted with the same arguments.
type node struct {
	*harness.Process
	spec    harness.Spec
	address string // that it listens on
	ops     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	bin, err := harness.Build(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{place: place(t.TempDir()), bin: bin, dir: t.TempDir()}
	w.pki = filepath.Join(w.dir, "pki")
	w.output(t, bin.Broker, "init", "--dir", w.pki)
	w.token = strings.TrimSpace(w.output(t, bin.Bridge, "token", "new", "--tokens", w.tokens(), "--name", "test", "--clusters", "*"))
	return w
}

func (w *world) ca() string     { return filepath.Join(w.pki, "tls", "ca.crt") }
func (w *world) tokens() string { return filepath.Join(w.dir, "tokens.yaml") }

func (w *world) output(t *testing.T, path string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", filepath.Base(path), args, err)
	}
	return string(out)
}

func (w *world) startBrokers(t *testing.T, addresses []string) {
	t.Helper()
	routes := make([]string, len(addresses))
	for i := range routes {
		routes[i] = freeport.AddressFor(t)
	}
	for i, address := range addresses {
		name := fmt.Sprintf("broker-%d", i+1)
		w.brokers = append(w.brokers, w.start(t, name, w.bin.Broker, address,
			"run", "--nats-config", w.place.resolverConf(), "--resolver-dir", filepath.Join(w.dir, name),
			"--guard-creds", w.place.guardCreds(), "--name", name, "--listen", address, "--websocket-listen", "off",
			"--routes-listen", routes[i], "--routes", "tls://"+strings.Join(routes, ",tls://"),
			"--tls-cert", w.serverCert(), "--tls-key", w.serverKey(), "--tls-ca", w.ca(), "--drain-timeout", "5s",
			"--store-dir", filepath.Join(w.dir, name+"-store")))
	}
	for _, n := range w.brokers {
		w.waitReady(t, n)
	}
}

func (w *world) serverCert() string { return filepath.Join(w.pki, "tls", "server.crt") }
func (w *world) serverKey() string  { return filepath.Join(w.pki, "tls", "server.key") }

func (w *world) brokerURLs() string {
	var urls []string
	for _, b := range w.brokers {
		urls = append(urls, "tls://"+b.address)
	}
	return strings.Join(urls, ",")
}

func (w *world) startBridges(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		address := freeport.AddressFor(t)
		w.bridges = append(w.bridges, w.start(t, fmt.Sprintf("bridge-%d", i+1), w.bin.Bridge, address,
			"run", "--listen", address, "--broker-url", w.brokerURLs(), "--broker-ca", w.ca(),
			"--bridge-key", w.place.bridgeKey(), "--tenants", w.place.tenants(), "--tokens", w.tokens(),
			"--tls-cert", w.serverCert(), "--tls-key", w.serverKey(), "--drain-timeout", "5s"))
	}
	for _, n := range w.bridges {
		w.waitReady(t, n)
	}
}

// startAgent starts the agent of a cluster. It reads a copy of the credentials,
// which [world.deliver] replaces, as a Secret's volume is.
func (w *world) startAgent(t *testing.T, tenant, cluster string, api *apiServer) *node {
	t.Helper()
	name := cluster + "." + tenant
	w.deliver(t, tenant, cluster)
	kubeconfig, err := harness.WriteKubeconfig(filepath.Join(w.dir, name+".kubeconfig"), api.URL, api.ca(), "none")
	if err != nil {
		t.Fatal(err)
	}
	n := w.start(t, "agent-"+name, w.bin.Agent, "", "--server", w.brokerURLs(), "--ca", w.ca(),
		"--creds", w.delivered(tenant, cluster), "--kubeconfig", kubeconfig)
	w.waitReady(t, n)
	return n
}

func (w *world) delivered(tenant, cluster string) string {
	return filepath.Join(w.dir, cluster+"."+tenant+".creds")
}

// deliver gives the agent of a cluster the credentials that the keeper has made.
func (w *world) deliver(t *testing.T, tenant, cluster string) {
	t.Helper()
	creds, err := os.ReadFile(w.place.creds(tenant, cluster))
	if err != nil {
		t.Fatal(err)
	}
	file := w.delivered(tenant, cluster)
	if err := errors.Join(os.WriteFile(file+".new", creds, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) start(t *testing.T, name, path, address string, args ...string) *node {
	t.Helper()
	ops := freeport.AddressFor(t)
	spec := harness.Spec{Name: name, Path: path, Args: append(args, "--ops-listen", ops), Log: filepath.Join(w.dir, "logs", name+".log")}
	p, err := harness.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Process: p, spec: spec, address: address, ops: "http://" + ops}
	t.Cleanup(func() {
		if err := n.Stop(patience); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", name, harness.Tail(spec.Log, 40))
		}
	})
	return n
}

func (w *world) restart(t *testing.T, n *node) {
	t.Helper()
	if err := n.Stop(patience); err != nil {
		t.Fatal(err)
	}
	p, err := harness.Start(n.spec)
	if err != nil {
		t.Fatal(err)
	}
	n.Process = p
	w.waitReady(t, n)
}

func (w *world) waitReady(t *testing.T, n *node) {
	t.Helper()
	w.until(t, n.Name()+" to be ready", func() error { return n.ready(t.Context()) })
}

// ready is nil if the node answers 200 at /readyz; the error has the answer.
func (n *node) ready(ctx context.Context) error {
	_, err := get(ctx, opsClient, n.ops+"/readyz")
	return err
}

var opsClient = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (w *world) until(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := harness.Until(t.Context(), what, patience, nil, func(context.Context) error { return check() }); err != nil {
		t.Fatal(err)
	}
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), nil
}

// apiServer stands for a cluster and counts the requests that reach it.
type apiServer struct {
	*httptest.Server
	name string
	asks atomic.Int64 // requests of the test
}

const askPath = "/api/v1/namespaces/who"

func newAPIServer(t *testing.T, name string) *apiServer {
	a := &apiServer{name: name}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == askPath {
			a.asks.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "{%q: %q}", "cluster", a.name)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *apiServer) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
}
