package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/fairlead-io/fairlead/test/kube/forward"
	"github.com/fairlead-io/fairlead/test/kube/plane"
	"github.com/fairlead-io/fairlead/test/kube/process"
)

// Services configures the components that provide services, names and volumes: the
// API server's address, and a kubeconfig for each.
type Services struct {
	APIServer                                                   string // host:port, on loopback
	ProxyKubeconfig, DNSKubeconfig, VolumeProvisionerKubeconfig string
	// Names are additional names that pods resolve to the services' address, as
	// to that of a load balancer.
	Names []string
}

// startNames starts the components that do not need the node: the forwarder to the
// API server, the name server and the provisioner of volumes. They get ready while
// the node does.
func (n *Node) startNames(p places, l Layout) error {
	from := fmt.Sprintf("%s:%d", p.slot.NodeIP(), p.slot.APIServerPort())
	var err error
	if n.forwarder, err = forward.Listen(from, l.Services.APIServer); err != nil {
		return err
	}
	if err := os.WriteFile(p.run("Corefile"), corefile(p, l.Services), 0o600); err != nil {
		return fmt.Errorf("write corefile: %w", err)
	}
	if err := os.MkdirAll(p.volumes(), 0o755); err != nil {
		return fmt.Errorf("make folder of volumes: %w", err)
	}
	_, err = n.start(p, process.Spec{
		Name: "volume-provisioner", Path: l.Binary, Log: filepath.Join(l.LogDir, "volume-provisioner.log"),
		Args: []string{"volume-provisioner", "--kubeconfig=" + l.Services.VolumeProvisionerKubeconfig,
			"--name=" + plane.VolumeProvisionerName, "--dir=" + p.volumes(), "--listen=" + volumesHealth(p)},
	})
	if err != nil {
		return err
	}
	_, err = n.startInside(p, process.Spec{
		Name: "coredns", Path: l.Binary, Log: filepath.Join(l.LogDir, "coredns.log"),
		Args: []string{"coredns", p.run("Corefile")},
	})
	return err
}

// startProxy starts kube-proxy, which needs the node's object when it starts.
func (n *Node) startProxy(p places, l Layout) error {
	config, err := proxyConfig(p, l)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.run("kube-proxy.json"), config, 0o600); err != nil {
		return fmt.Errorf("write configuration of kube-proxy: %w", err)
	}
	_, err = n.startInside(p, process.Spec{
		Name: "kube-proxy", Path: l.Binary, Log: filepath.Join(l.LogDir, "kube-proxy.log"),
		Args: []string{"kube-proxy", "--config=" + p.run("kube-proxy.json")},
	})
	return err
}

// servicesHealthy waits until all components of services are healthy.
func (n *Node) servicesHealthy(ctx context.Context, p places, api *plane.Client) error {
	urls := map[string]string{
		"volume-provisioner": "http://" + volumesHealth(p),
		"coredns":            fmt.Sprintf("http://%s:%d/ready", p.slot.ServicesIP(), dnsReadyPort),
		"kube-proxy":         fmt.Sprintf("http://%s:%d/healthz", p.slot.ServicesIP(), proxyHealthPort),
	}
	for _, c := range n.Components {
		url, ok := urls[c.Name()]
		if !ok {
			continue
		}
		err := process.Until(ctx, c.Name()+" to be healthy", startWithin, c, func(ctx context.Context) error {
			return api.Healthy(ctx, url)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func volumesHealth(p places) string {
	return fmt.Sprintf("127.0.0.1:%d", p.slot.VolumeProvisionerPort())
}

// Ports in the services' network namespace, where nothing else listens.
const (
	dnsReadyPort    = 8181
	proxyHealthPort = 10256
)

// corefile renders CoreDNS's configuration. Answers come from memory, so nothing is
// cached: a client that waits for a pod's name must not get an old answer that the
// name does not exist. Queries for other names are answered with NXDOMAIN, since
// resolvers would retry a failing server for seconds.
func corefile(p places, s *Services) []byte {
	var outside strings.Builder
	for _, name := range s.Names {
		fmt.Fprintf(&outside, `    template IN A %[1]s {
        match ^%[2]s[.]$
        answer "{{ .Name }} 0 IN A %[3]s"
    }
    template IN AAAA %[1]s {
        match ^%[2]s[.]$
        rcode NOERROR
    }
`, name, regexp.QuoteMeta(name), p.slot.ServicesIP())
	}
	return fmt.Appendf(nil, `%[1]s:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    ready :%[2]d
    kubernetes %[1]s in-addr.arpa ip6.arpa {
        kubeconfig %[3]q
        ttl 0
    }
    loadbalance
}
.:53 {
    errors
%[4]s    template ANY ANY {
        rcode NXDOMAIN
    }
}
`, clusterDomain, dnsReadyPort, s.DNSKubeconfig, &outside)
}

// clusterDomain is the domain of the names of services.
const clusterDomain = "cluster.local"

// proxyConfig renders kube-proxy's configuration.
func proxyConfig(p places, l Layout) ([]byte, error) {
	data, err := json.MarshalIndent(map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": l.Services.ProxyKubeconfig, "qps": 100, "burst": 200},
		"hostnameOverride":   l.Name,
		"healthzBindAddress": fmt.Sprintf("%s:%d", p.slot.ServicesIP(), proxyHealthPort),
		"metricsBindAddress": "127.0.0.1",
		"nodePortAddresses":  []string{p.slot.ServicesIP().String() + "/32"},
		"mode":               "iptables",
		"iptables": map[string]any{
			// Server and client are on the same network: without it the answer
			// would not come back through here.
			"masqueradeAll":      true,
			"localhostNodePorts": false,
			"minSyncPeriod":      "100ms", // a few services, and tests that wait
		},
		"clusterCIDR": p.slot.PodRange().String(),
		"oomScoreAdj": 0, // lowering it needs CAP_SYS_RESOURCE
		// The limits of the whole machine must not change.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render configuration of kube-proxy: %w", err)
	}
	return data, nil
}
