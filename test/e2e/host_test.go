package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestHostPerCluster: a plain kubectl proxy drops the path of its server's URL.
// If the kubeconfig names the cluster's own host, the cluster is served at that
// host's root, so that kubectl works behind such a proxy.
func TestHostPerCluster(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	const domain = "k8s.fairlead.test"
	s := sp.ownSystem(harness.SystemOptions{ClusterDomain: domain})
	if err := s.WaitReachable(t.Context(), s.Ref()); err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := s.HostKubeconfig(t.Context(), s.Ref(), filepath.Join(sp.dir, sp.name))
	if err != nil {
		t.Fatal(err)
	}
	// The name exists for this test's processes only.
	hosts := filepath.Join(sp.dir, sp.name, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost "+s.Ref()+"."+domain+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	host := side{name: "host", kubeconfig: kubeconfig}
	sp.pod("main", "sleep 3600", "")
	sp.must(sp.on(host, "get", "pods").resolving(hosts))
	if got := sp.must(sp.on(host, "exec", "main", "--", "echo", "by host").resolving(hosts)); got != "by host\n" {
		t.Errorf("exec: %q", got)
	}

	// By default kubectl's proxy rejects exec; nothing else is special about it.
	proxy := sp.start(sp.on(host, "proxy", "--port=0", "--reject-paths=^$").resolving(hosts)).listening()
	behind := func(args ...string) call {
		return sp.on(host, append([]string{"--server", "http://" + proxy}, args...)...).with("KUBECONFIG=/dev/null")
	}
	if got := sp.must(behind("exec", "main", "--", "echo", "behind kubectl proxy")); got != "behind kubectl proxy\n" {
		t.Errorf("exec behind kubectl proxy: %q", got)
	}
	if got := sp.must(behind("get", "pods", "--output", "name")); got != "pod/main\n" {
		t.Errorf("get behind kubectl proxy: %q", got)
	}
	sp.must(behind("explain", "pods.spec.containers"))

	// Without a host per cluster, kubectl's error says what is missing.
	path := side{name: "path", kubeconfig: sp.sideOf(s, s.Ref()).kubeconfig}
	lost := sp.start(sp.on(path, "proxy", "--port=0")).listening()
	r := sp.do(sp.on(path, "--server", "http://"+lost, "get", "pods").with("KUBECONFIG=/dev/null"))
	if r.code == 0 || !strings.Contains(r.stderr, "--append-server-path") {
		t.Errorf("behind a kubectl proxy that lost the path: exit code %d, %s", r.code, r.stderr)
	}
}
