package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
)

// maxNginxMemory bounds the worker's memory in bytes while it carries 1 GiB each way.
// It has 5 to 10 MiB.
const maxNginxMemory = 48 << 20

// proxied is a Fairlead whose callers and agents come through nginx, as deploy/nginx
// configures it.
type proxied struct {
	*space
	system *harness.System
	nginx  *nginxtest.Server
	side   side
}

// behindNginx starts one below /fairlead/ of a host.
func (sp *space) behindNginx() *proxied {
	sp.t.Helper()
	address, err := freeport.Address()
	if err != nil {
		sp.t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	s := sp.ownSystem(harness.SystemOptions{Binaries: sp.plain, WebSocket: true, Agents: -1, BridgeFlags: []string{
		"--public-url", "https://localhost:" + port + "/fairlead", "--trusted-proxies", "127.0.0.1/32", "--access-log"}})
	p := &proxied{space: sp, system: s}
	p.nginx = p.startNginx("fairlead-subpath.conf", address)
	for _, slash := range []string{"", "/"} {
		if _, err := s.StartAgent(sp.t.Context(), harness.AgentOptions{Servers: "wss://localhost:" + port + "/-/fairlead" + slash}); err != nil {
			sp.t.Fatal(err)
		}
	}
	p.side = p.through("https://localhost:"+port+"/fairlead", "subpath")
	return p
}

// startNginx starts a shipped site at an address.
func (p *proxied) startNginx(site, address string) *nginxtest.Server {
	p.t.Helper()
	tls := filepath.Join(p.system.Config, "tls")
	return nginxtest.Start(p.t, nginxtest.Options{Address: address, HTTP: nginxtest.Site(p.t, site, nginxtest.Place{
		Host: "localhost", Name: "localhost", Bridge: p.system.Bridge.Address, Broker: strings.TrimPrefix(p.system.WebSocketURL(), "wss://"),
		CA: p.system.CAFile(), Cert: filepath.Join(tls, "server.crt"), Key: filepath.Join(tls, "server.key"),
	})})
}

// through is the cluster by the kubeconfig that the bridge hands out at a URL.
func (p *proxied) through(url, name string) side {
	p.t.Helper()
	client, err := p.system.NewClient(harness.NoCompression)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.CloseIdleConnections)
	p.until("the cluster to be reachable through nginx", func(context.Context) error {
		resp, err := client.Get(url + "/k8s/clusters/" + p.system.Ref() + "/version")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", resp.Status)
		}
		return nil
	})
	text := fetch(p.t, client, url+"/v1/clusters/"+p.system.Ref()+"/kubeconfig")
	file := filepath.Join(p.dir, p.name, name+".kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return side{name: name, kubeconfig: file, server: url + "/k8s/clusters/" + p.system.Ref(), client: client}
}

// TestNginx: behind the shipped nginx, on a sub-path, kubectl works as without it.
// Nothing is late, cut, limited, or written to a file on the way.
func TestNginx(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	p := sp.behindNginx()
	sp.pod("box", "echo begin; "+idle, "")
	p.names()
	p.upgrades()
	p.follows()
	p.forwards()
	p.withoutLines()

	o := sp.newOrigin()
	if err := sp.upload(p.side, o, 8, gib); err != nil {
		t.Error(err)
	}
	if err := sp.download(p.side, o, 9, gib); err != nil {
		t.Error(err)
	}
	if p.nginx.Buffered() {
		t.Error("nginx has written a body to a file")
	}
	if most, err := p.nginx.Memory(); err != nil || most > maxNginxMemory {
		t.Errorf("nginx had %d MiB (%v), want at most %d", most>>20, err, maxNginxMemory>>20)
	} else {
		t.Logf("nginx had at most %d MiB", most>>20)
	}

	// The same bridge at the root of a host.
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	p.startNginx("fairlead.conf", address)
	_, port, _ := strings.Cut(address, ":")
	root := p.through("https://localhost:"+port, "root")
	server := "--server=https://localhost:" + port + "/k8s/clusters/" + p.system.Ref()
	if got := sp.must(sp.on(root, server, "exec", "box", "--", "echo", "at the root")); got != "at the root\n" {
		t.Errorf("exec at the root of a host: %q", got)
	}
}

// names: the kubeconfig has the prefix, both agents came by WebSocket, and the bridge
// knows the caller's address.
func (p *proxied) names() {
	p.t.Helper()
	text, err := os.ReadFile(p.side.kubeconfig)
	if err != nil || !strings.Contains(string(text), "server: "+p.side.server+"\n") {
		p.t.Errorf("the kubeconfig does not name %s (%v)", p.side.server, err)
	}
	for _, n := range p.system.Agents {
		for address, want := range map[string]int{p.nginx.Address: 1, strings.TrimPrefix(p.system.WebSocketURL(), "wss://"): 0} {
			if got, err := n.ConnectedTo(address); got != want || err != nil {
				p.t.Errorf("%s has %d connections to %s (%v), want %d", n.Name(), got, address, err, want)
			}
		}
	}
	if got, want := p.must(p.on(p.side, "get", "pod", "box", "-o", "name")), "pod/box\n"; got != want {
		p.t.Errorf("get: %q, want %q", got, want)
	}
	log, err := os.ReadFile(p.system.Bridge.Log())
	if err != nil || !strings.Contains(string(log), "via=127.0.0.1:") && !strings.Contains(string(log), `"via":"127.0.0.1:`) {
		p.t.Errorf("the bridge's log names nginx as the caller (%v):\n%s", err, harness.Tail(p.system.Bridge.Log(), 5))
	}
}

// upgrades: exec and cp, by both protocols.
func (p *proxied) upgrades() {
	large := map[string][]byte{"large": pseudoRandom(3, 24<<20)}
	from := writeTree(p.t, large)
	p.overEach(func(sp *space, pr protocol) {
		on := func(args ...string) call { return sp.on(p.side, args...).with(pr.env...) }
		r := sp.start(on("exec", "-i", "box", "--", "sh", "-c", `while read l; do echo "got $l"; done; exit 5`))
		for i := range 5 {
			r.say(fmt.Sprintf("line-%d\n", i))
			r.expect(fmt.Sprintf("got line-%d\n", i))
		}
		if err := r.stdin.Close(); err != nil {
			sp.t.Fatal(err)
		}
		if code := r.wait(callWithin); code != 5 {
			sp.t.Errorf("exit code %d, want 5: %s", code, r.stderr)
		}
		if got := sp.must(on("exec", "-i", "box", "--", "sh", "-c", "wc -c").input(source(4, 64<<20))); strings.TrimSpace(got) != "67108864" {
			sp.t.Errorf("of 64 MiB %q arrived", got)
		}
		in, back := "/tmp/"+pr.name, sp.t.TempDir()
		sp.must(on("cp", from, "box:"+in))
		sp.must(on("cp", "box:"+in, back))
		if got := readTree(sp.t, back); string(got["large"]) != string(large["large"]) {
			sp.t.Errorf("%d bytes came back, want %d equal ones", len(got["large"]), len(large["large"]))
		}
	})
}

// follows: a line of a log and an event of a watch are shown when they are written.
func (p *proxied) follows() {
	p.t.Helper()
	logs := p.start(p.on(p.side, "logs", "-f", "box"))
	logs.expect("begin\n")
	watch := p.start(p.on(p.side, "get", "configmaps", "--watch", "--no-headers"))
	watch.expect("kube-root-ca.crt")
	soonest := time.Hour
	for i := range 5 {
		line := fmt.Sprintf("line-%d", i)
		p.must(p.on(p.direct, "exec", "box", "--", "sh", "-c", "echo "+line+" >/proc/1/fd/1"))
		at := time.Now()
		logs.expect(line + "\n")
		soonest = min(soonest, time.Since(at))

		at = time.Now()
		p.configMap(line, nil)
		watch.expect(line)
		if late := time.Since(at); late > 2*time.Second {
			p.t.Errorf("an event came after %s", late)
		}
	}
	// The kubelet itself looks once a second where it gets no notification.
	if soonest > time.Second {
		p.t.Errorf("no line of the log came sooner than %s after it was written", soonest)
	}
}

// forwards: port-forward, by both protocols.
func (p *proxied) forwards() {
	p.pod("echo", `exec nc -ll -p 9000 -e cat`, "")
	p.overEach(func(sp *space, pr protocol) {
		const size = 16 << 20
		address := sp.start(sp.on(p.side, "port-forward", "pod/echo", ":9000").with(pr.env...)).listening()
		got, n, err := echo(address, io.LimitReader(source(5, size), size))
		if err != nil || n != size || got != sourceDigest(5, size) {
			sp.t.Errorf("the echo has %d bytes (%v), want the %d that were sent", n, err, size)
		}
	})
}

// withoutLines: what kubectl prints behind an nginx that has only proxy_pass, by either
// protocol.
func (p *proxied) withoutLines() {
	tls := filepath.Join(p.system.Config, "tls")
	bare := nginxtest.Start(p.t, nginxtest.Options{HTTP: fmt.Sprintf("server { listen {address} ssl; ssl_certificate %s; ssl_certificate_key %s; location / { proxy_pass https://%s; } }",
		filepath.Join(tls, "server.crt"), filepath.Join(tls, "server.key"), p.system.Bridge.Address)})
	_, port, _ := strings.Cut(bare.Address, ":")
	server := "--server=https://localhost:" + port + "/fairlead/k8s/clusters/" + p.system.Ref()
	p.overEach(func(sp *space, pr protocol) {
		if got := sp.must(sp.on(p.side, server, "get", "pod", "box", "-o", "name").with(pr.env...)); got != "pod/box\n" {
			sp.t.Errorf("get: %q", got)
		}
		r := sp.do(sp.on(p.side, server, "exec", "box", "--", "true").with(pr.env...))
		if r.code == 0 || !strings.Contains(r.stderr, "it came over HTTP/1.0") || !strings.Contains(r.stderr, "nginx needs proxy_http_version 1.1") {
			sp.t.Errorf("exec: exit code %d: %s", r.code, r.stderr)
		}
	})
}
