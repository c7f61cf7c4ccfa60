package node

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

func TestPodsFindServicesInTheirSlot(t *testing.T) {
	p := places{slot.Slot{Number: 7}}
	l := Layout{Slot: p.slot, Name: "n", Services: &Services{ProxyKubeconfig: "/proxy", DNSKubeconfig: "/a folder/dns"}}
	network, err := networkConfig(p, true)
	if err != nil {
		t.Fatal(err)
	}
	kubelet, err := kubeletConfig(p, l)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := proxyConfig(p, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config []byte
		want   map[string]any
	}{
		{"kubelet", kubelet, map[string]any{"clusterDomain": "cluster.local", "clusterDNS": []any{"10.201.7.2"}}},
		{"kube-proxy", proxy, map[string]any{"healthzBindAddress": "10.201.7.2:10256", "nodePortAddresses": []any{"10.201.7.2/32"}}},
	} {
		var got map[string]any
		if err := json.Unmarshal(c.config, &got); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for key, want := range c.want {
			if a, b := mustJSON(t, got[key]), mustJSON(t, want); a != b {
				t.Errorf("%s: %s is %s, want %s", c.name, key, a, b)
			}
		}
	}
	var conf struct {
		Plugins []struct {
			IPAM struct {
				Ranges [][]struct{ RangeStart string }
				Routes []struct{ Dst, Gw string }
			}
		}
	}
	if err := json.Unmarshal(network, &conf); err != nil {
		t.Fatal(err)
	}
	ipam := conf.Plugins[0].IPAM
	if got := ipam.Ranges[0][0].RangeStart; got != "10.201.7.3" {
		t.Errorf("pods start at %s, which must come after node and services", got)
	}
	if r := ipam.Routes[1]; r.Dst != "10.202.7.0/24" || r.Gw != "10.201.7.2" {
		t.Errorf("the route to services is %+v", r)
	}
	if c := string(corefile(p, l.Services)); !strings.Contains(c, `kubeconfig "/a folder/dns"`) {
		t.Errorf("a path with a blank must be quoted:\n%s", c)
	}
}

// Without services no configuration refers to their address.
func TestWithoutServices(t *testing.T) {
	p := places{slot.Slot{Number: 7}}
	network, err := networkConfig(p, false)
	if err != nil {
		t.Fatal(err)
	}
	kubelet, err := kubeletConfig(p, Layout{Slot: p.slot})
	if err != nil {
		t.Fatal(err)
	}
	if all := string(network) + string(kubelet); strings.Contains(all, "10.201.7.2\"") || strings.Contains(all, "10.202.") {
		t.Errorf("a configuration refers to services:\n%s", all)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
