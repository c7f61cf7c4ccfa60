package node

import (
	"encoding/json"
	"fmt"
)

// containerdConfig renders containerd's configuration (TOML, version 2, which
// containerd 1.x and 2.x read).
func containerdConfig(p places, pluginDir, snapshotter string) []byte {
	return fmt.Appendf(nil, `version = 2
root = %q
state = %q
# would make /opt/containerd
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # without CAP_SYS_RESOURCE, lowering the score fails and with it every sandbox
  restrict_oom_score_adj = true
  # network namespaces are then removed with the state folder
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %q
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = %q
        SystemdCgroup = false
`, p.lib("containerd"), p.containerState(), p.socket(), pauseImage, pluginDir, p.networkConfig(), snapshotter, p.run("runc"))
}

// networkConfig renders the pod network: a bridge on which the node is the
// gateway. It has no portmap plugin and no masquerading, so no firewall rules.
func networkConfig(p places, services bool) ([]byte, error) {
	routes := []any{map[string]any{"dst": "0.0.0.0/0"}}
	if services {
		routes = append(routes, map[string]any{"dst": p.slot.ServiceRange().String(), "gw": p.slot.ServicesIP().String()})
	}
	data, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       p.network(),
		"plugins": []any{map[string]any{
			"type":      "bridge",
			"bridge":    p.slot.Bridge(),
			"isGateway": true,
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": p.run("addresses"),
				"ranges": [][]any{{map[string]any{
					"subnet": p.slot.PodRange().String(), "rangeStart": p.slot.FirstPodIP().String()}}},
				"routes": routes,
			},
		}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render network configuration: %w", err)
	}
	return data, nil
}

// kubeletConfig renders the kubelet's configuration; the kubelet reads JSON
// where it reads YAML.
func kubeletConfig(p places, l Layout) ([]byte, error) {
	socket := "unix://" + p.socket()
	config := map[string]any{
		"apiVersion":         "kubelet.config.k8s.io/v1beta1",
		"kind":               "KubeletConfiguration",
		"address":            p.slot.NodeIP().String(),
		"healthzBindAddress": "127.0.0.1",
		"healthzPort":        p.slot.KubeletHealthPort(),
		"readOnlyPort":       0,
		"tlsCertFile":        l.CertFile,
		"tlsPrivateKeyFile":  l.KeyFile,
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": l.CAFile},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint": socket,
		"imageServiceEndpoint":     socket,
		"podLogsDir":               p.podLogs(),
		"volumePluginDir":          p.lib("volume-plugins"),
		"resolvConf":               "", // pods have no way to a name server
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               "/" + p.slot.Name(), // else two kubelets delete each other's pods
		"failCgroupV1":             false,
		"failSwapOn":               false,
		"oomScoreAdj":              0, // lowering it needs CAP_SYS_RESOURCE
		// Firewall rules would outlive the cluster.
		"makeIPTablesUtilChains": false,
		// A full disk must not evict anything: images cannot be fetched again,
		// and tests must not see evictions.
		"localStorageCapacityIsolation": false,
		"imageGCHighThresholdPercent":   100,
		"imageGCLowThresholdPercent":    99,
		"evictionHard": map[string]any{
			"memory.available": "50Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
			"imagefs.available": "0%", "imagefs.inodesFree": "0%",
		},
		// Rotation would cut off a client that follows the log.
		"containerLogMaxSize":       "4Gi",
		"nodeStatusUpdateFrequency": "4s",
		"shutdownGracePeriod":       "0s",
	}
	if l.Services != nil {
		config["clusterDNS"] = []string{p.slot.ServicesIP().String()}
		config["clusterDomain"] = clusterDomain
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render kubelet configuration: %w", err)
	}
	return data, nil
}

func kubeletFlags(p places, l Layout) []string {
	return []string{
		"kubelet",
		"--config=" + p.run("kubelet.json"),
		"--kubeconfig=" + l.Kubeconfig,
		"--hostname-override=" + l.Name,
		"--node-ip=" + p.slot.NodeIP().String(),
		"--root-dir=" + p.kubelet(),
		"--cert-dir=" + p.kubelet(),
	}
}
