package plane

import "fmt"

func (l Layout) etcdFlags() []string {
	client := fmt.Sprintf("http://127.0.0.1:%d", l.Slot.EtcdClientPort())
	peer := fmt.Sprintf("http://127.0.0.1:%d", l.Slot.EtcdPeerPort())
	return []string{
		"--name=test",
		"--data-dir=" + l.etcdData(),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		"--unsafe-no-fsync", // the data is worth nothing after a crash
		"--log-level=warn",
	}
}

func (l Layout) apiServerFlags() []string {
	flags := []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", l.Slot.EtcdClientPort()),
		fmt.Sprintf("--secure-port=%d", l.Slot.APIServerPort()),
		"--bind-address=127.0.0.1",
		"--service-cluster-ip-range=" + l.Slot.ServiceRange().String(),
		"--cert-dir=" + l.PKI(""),
		"--tls-cert-file=" + l.PKI("apiserver.crt"),
		"--tls-private-key-file=" + l.PKI("apiserver.key"),
		"--client-ca-file=" + l.PKI("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.PKI("tokens.crt"),
		"--service-account-signing-key-file=" + l.PKI("tokens.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--requestheader-client-ca-file=" + l.PKI("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.PKI("front-proxy.crt"),
		"--proxy-client-key-file=" + l.PKI("front-proxy.key"),
		"--kubelet-client-certificate=" + l.PKI("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + l.PKI("apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + l.PKI("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--shutdown-delay-duration=0s",
	}
	if l.Services {
		// This address becomes the endpoint of the service kubernetes, with our
		// port. The node forwards connections from there.
		flags = append(flags, "--advertise-address="+l.Slot.NodeIP().String())
	} else {
		// Loopback is not a valid endpoint, and nothing routes to services anyway.
		flags = append(flags, "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none")
	}
	if l.Audit {
		flags = append(flags,
			"--audit-policy-file="+l.auditPolicy(),
			"--audit-log-path="+l.AuditLog(),
			// Tests read the log right after a request, so no batching.
			"--audit-log-mode=blocking")
	}
	return append(flags, l.Extra...) // last, so that they override the others
}

func (l Layout) controllerManagerFlags() []string {
	return append(l.clientFlags("controller-manager", l.Slot.ControllerManagerPort()),
		"--service-account-private-key-file="+l.PKI("tokens.key"),
		// Without this flag pods wait for ever for the config map kube-root-ca.crt.
		"--root-ca-file="+l.PKI("ca.crt"),
		"--cluster-signing-cert-file="+l.PKI("ca.crt"),
		"--cluster-signing-key-file="+l.PKI("ca.key"),
		"--use-service-account-credentials",
		"--allocate-node-cidrs=false",
		// The default of 20 requests a second takes 4 s to start all controllers.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	)
}

func (l Layout) schedulerFlags() []string {
	return l.clientFlags("scheduler", l.Slot.SchedulerPort())
}

// clientFlags are the flags that the API server's clients share.
func (l Layout) clientFlags(name string, port int) []string {
	config := l.Kubeconfig(name)
	return []string{
		"--kubeconfig=" + config,
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + l.PKI(name+".crt"),
		"--tls-private-key-file=" + l.PKI(name+".key"),
		"--leader-elect=false", // there is only one of each
	}
}
