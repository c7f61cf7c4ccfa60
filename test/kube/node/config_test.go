package node

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

func TestConfigsStayInTheirSlot(t *testing.T) {
	p := places{slot.Slot{Number: 7}}
	kubelet, err := kubeletConfig(p, Layout{Slot: p.slot, CertFile: "/c", KeyFile: "/k", CAFile: "/ca"})
	if err != nil {
		t.Fatal(err)
	}
	network, err := networkConfig(p, false)
	if err != nil {
		t.Fatal(err)
	}
	containerd := string(containerdConfig(p, "/plugins", "overlayfs"))
	for _, c := range []struct{ name, config, want string }{
		{"kubelet", string(kubelet), `"cgroupRoot": "/fairlead-kube-7"`},
		{"kubelet", string(kubelet), `"address": "10.201.7.1"`},
		{"kubelet", string(kubelet), `"containerRuntimeEndpoint": "unix:///run/fairlead-kube-7/containerd.sock"`},
		{"kubelet", string(kubelet), `"makeIPTablesUtilChains": false`},
		{"network", string(network), `"bridge": "flk7"`},
		{"network", string(network), `"subnet": "10.201.7.0/24"`},
		{"containerd", containerd, `root = "/var/lib/fairlead-kube-7/containerd"`},
		{"containerd", containerd, `bin_dir = "/plugins"`},
		{"containerd", containerd, `Root = "/run/fairlead-kube-7/runc"`},
		{"containerd", containerd, `restrict_oom_score_adj = true`},
	} {
		if !strings.Contains(c.config, c.want) {
			t.Errorf("%s configuration lacks %s:\n%s", c.name, c.want, c.config)
		}
	}
	if strings.Contains(string(network), "portmap") || strings.Contains(string(network), "ipMasq") {
		t.Error("the network makes firewall rules, which would outlive the cluster")
	}
	if !json.Valid(kubelet) || !json.Valid(network) {
		t.Error("a configuration is not JSON")
	}
}

// A socket path may have 107 bytes; shims and plugins add to ours.
func TestSocketPathsAreShort(t *testing.T) {
	p := places{slot.Slot{Number: slot.Count}}
	for _, path := range []string{p.socket(), p.kubelet() + "/pod-resources/kubelet.sock"} {
		if len(path) > 80 {
			t.Errorf("%s has %d bytes", path, len(path))
		}
	}
}

func TestParseHierarchies(t *testing.T) {
	hybrid := `tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
`
	all, err := parseHierarchies(strings.NewReader(hybrid))
	if err != nil || len(all) != 3 {
		t.Fatalf("hybrid: %+v, %v, want three trees", all, err)
	}
	limits, err := controlling(all)
	if err != nil || len(limits) != 2 {
		t.Fatalf("hybrid: %+v, %v, want the two v1 trees", limits, err)
	}
	if !slices.Equal(limits[0].controllers, []string{"cpu", "cpuacct"}) {
		t.Errorf("controllers are %q", limits[0].controllers)
	}
	all, err = parseHierarchies(strings.NewReader("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if limits, err := controlling(all); err != nil || len(limits) != 1 || !limits[0].v2() {
		t.Errorf("v2: %+v, %v, want the one tree", limits, err)
	}
	if _, err := controlling(nil); err == nil {
		t.Error("without any tree there must be an error")
	}
}

func TestParseMountsTakesWholeFolders(t *testing.T) {
	info := `22 1 8:1 / / rw - ext4 /dev/a rw
30 22 0:1 / /run/fairlead-kube-1 rw - tmpfs t rw
31 30 0:2 / /run/fairlead-kube-1/a\040b rw - tmpfs t rw
32 22 0:3 / /run/fairlead-kube-12/x rw - tmpfs t rw
`
	got := parseMounts(info, "/run/fairlead-kube-1")
	want := []string{"/run/fairlead-kube-1", "/run/fairlead-kube-1/a b"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: slot 12 belongs to another cluster", got, want)
	}
}

func TestCacheOfTakesOurSandboxesOnly(t *testing.T) {
	got := cacheOf("fairlead-kube-1", []string{
		"fairlead-kube-1-aaa-eth0", "cni-loopback-aaa-lo",
		"fairlead-kube-12-bbb-eth0", "cni-loopback-bbb-lo", "other-ccc-eth0",
	})
	if want := []string{"fairlead-kube-1-aaa-eth0", "cni-loopback-aaa-lo"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
