package helm

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestAgentProxy installs an agent behind a forward proxy that requires a
// password. The agent reaches the broker through the proxy and the API server
// directly, and only a Secret contains the password.
func TestAgentProxy(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	const password = "hunter2"
	proxy := sp.startProxy("corp", password)
	sp.install("--set", "proxy.httpsProxy=http://corp:"+password+"@"+proxy.address, "--set", "replicas=1")
	sp.rollout()
	// This goes through the API server as well as through the broker.
	if pods := sp.through(sp.tunnel(), "get", "pods"); !strings.Contains(pods, "1/1") {
		t.Errorf("kubectl shows no agent that is ready:\n%s", pods)
	}
	broker := strings.TrimPrefix(sp.system.WebSocketURL(), "wss://")
	if got := proxy.asked(); !slices.Equal(got, []string{broker}) {
		t.Errorf("the proxy was asked for %q, want the broker alone: %s", got, broker)
	}
	for _, args := range [][]string{{"logs", "deployment/" + agentRelease}, {"get", "pods,deployments", "--output=yaml"}} {
		if out := sp.kubectl(args...); strings.Contains(out, password) {
			t.Errorf("kubectl %s shows the proxy's password", args[0])
		}
	}
}

// connectProxy is a forward proxy that tunnels to wherever it is asked.
type connectProxy struct {
	address string
	tunnels sync.WaitGroup

	mu      sync.Mutex // guards all below
	targets []string
	open    []net.Conn // taken from the server, which does not close them
}

// asked returns the addresses that the proxy was asked for, each once.
func (p *connectProxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.targets)
	slices.Sort(all)
	return slices.Compact(all)
}

// startProxy runs a proxy that pods reach until the test ends.
func (sp *agentSpace) startProxy(user, password string) *connectProxy {
	sp.t.Helper()
	address, err := freeport.AddressOn(sp.kube.NodeIP)
	if err != nil {
		sp.t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		sp.t.Fatal(err)
	}
	p := &connectProxy{address: address}
	want := "Basic " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%s", user, password))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodConnect:
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		case r.Header.Get("Proxy-Authorization") != want:
			w.Header().Set("Proxy-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		default:
			p.tunnels.Add(1)
			defer p.tunnels.Done()
			p.tunnel(w, r)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	sp.t.Cleanup(func() {
		_ = server.Close()
		<-served
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.tunnels.Wait()
	})
	return p
}

func (p *connectProxy) tunnel(w http.ResponseWriter, r *http.Request) {
	far, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	p.mu.Lock()
	p.targets, p.open = append(p.targets, r.Host), append(p.open, near)
	p.mu.Unlock()
	defer near.Close()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	var done sync.WaitGroup
	done.Go(func() {
		_, _ = io.Copy(far, rest) // either side's end ends the other
		_ = far.Close()
	})
	_, _ = io.Copy(near, far)
	_ = near.Close()
	done.Wait()
}
