package plane

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/fairlead-io/fairlead/test/kube/pki"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// Layout says where a cluster's parts are.
type Layout struct {
	Dir      string // folder of the cluster
	Binary   string // the multi-call server binary
	Slot     slot.Slot
	NodeName string   // whose kubelet gets certificates
	Services bool     // whether pods reach services, the API server's among them
	Audit    bool     // whether the API server logs every request
	Extra    []string // more flags for the API server
}

// Server is the URL of the API server.
func (l Layout) Server() string { return fmt.Sprintf("https://127.0.0.1:%d", l.Slot.APIServerPort()) }

// NodeServer is the URL of the API server for the node's components that are in
// their own network namespace.
func (l Layout) NodeServer() string {
	return fmt.Sprintf("https://%s:%d", l.Slot.NodeIP(), l.Slot.APIServerPort())
}

// LogDir is the folder of the components' logs.
func (l Layout) LogDir() string { return filepath.Join(l.Dir, "logs") }

// Log, PKI and Kubeconfig name files by component or certificate.
func (l Layout) Log(name string) string { return filepath.Join(l.LogDir(), name+".log") }
func (l Layout) PKI(file string) string { return filepath.Join(l.Dir, "pki", file) }
func (l Layout) Kubeconfig(name string) string {
	return filepath.Join(l.Dir, name+".kubeconfig")
}

// AuditLog is the file in which the API server logs requests, if it does.
func (l Layout) AuditLog() string { return filepath.Join(l.LogDir(), "audit.log") }

func (l Layout) auditPolicy() string { return filepath.Join(l.Dir, "audit-policy.yaml") }
func (l Layout) etcdData() string    { return filepath.Join(l.Dir, "etcd") }

// Prepare removes what an earlier cluster left in the folder and makes new
// certificates, kubeconfigs and configuration. It returns the CA and the
// administrator's certificate for our own calls.
func (l Layout) Prepare() (ca, admin pki.Pair, err error) {
	for _, dir := range []string{"etcd", "pki", "logs"} {
		if err := os.RemoveAll(filepath.Join(l.Dir, dir)); err != nil {
			return ca, admin, fmt.Errorf("clear an earlier cluster: %w", err)
		}
	}
	for _, dir := range []string{"etcd", "pki", "logs"} {
		if err := os.MkdirAll(filepath.Join(l.Dir, dir), 0o700); err != nil {
			return ca, admin, fmt.Errorf("make cluster folder: %w", err)
		}
	}
	if l.Audit {
		if err := os.WriteFile(l.auditPolicy(), []byte(auditPolicy), 0o644); err != nil {
			return ca, admin, fmt.Errorf("write audit policy: %w", err)
		}
	}
	return l.writePKI()
}

// auditPolicy logs the user, the request and its result, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
`

func (l Layout) writePKI() (ca, admin pki.Pair, err error) {
	authority, err := pki.NewAuthority("fairlead-test-ca")
	if err != nil {
		return ca, admin, err
	}
	// The aggregation layer trusts every client with a certificate of this second
	// authority to name its callers. So it must not be the authority that signs
	// users.
	front, err := pki.NewAuthority("fairlead-test-front-proxy-ca")
	if err != nil {
		return ca, admin, err
	}
	tokens, err := pki.NewSigningKey()
	if err != nil {
		return ca, admin, err
	}
	for name, pair := range map[string]pki.Pair{"ca": authority.Pair, "front-proxy-ca": front.Pair, "tokens": tokens} {
		if err := pair.Write(l.PKI(""), name); err != nil {
			return ca, admin, err
		}
	}
	pairs := map[string]pki.Pair{}
	for name, c := range l.certificates() {
		signer := authority
		if c.front {
			signer = front
		}
		pair, err := signer.Issue(c.Request)
		if err != nil {
			return ca, admin, err
		}
		if err := pair.Write(l.PKI(""), name); err != nil {
			return ca, admin, err
		}
		pairs[name] = pair
	}
	for name, server := range l.users() {
		if err := pki.WriteKubeconfig(l.Kubeconfig(name), server, authority.Cert, pairs[name]); err != nil {
			return ca, admin, err
		}
	}
	return authority.Pair, pairs["admin"], nil
}

// users lists the users that get a kubeconfig, each with its URL of the API server.
func (l Layout) users() map[string]string {
	users := map[string]string{}
	for _, name := range []string{"admin", "controller-manager", "scheduler", "kubelet"} {
		users[name] = l.Server()
	}
	if l.Services {
		users[VolumeProvisioner] = l.Server()
		users[Proxy], users[DNS] = l.NodeServer(), l.NodeServer()
	}
	return users
}

// The users of the components of services. These start with the node; their
// rights are in services.go.
const (
	Proxy             = "kube-proxy"
	DNS               = "coredns"
	VolumeProvisioner = "volume-provisioner"
)

type certificate struct {
	pki.Request
	front bool // signed by the aggregation layer's authority
}

// certificates lists every certificate of a cluster by file name.
func (l Layout) certificates() map[string]certificate {
	local := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	localNames := []string{"localhost"}
	admins := []string{"system:masters"}
	certs := map[string]certificate{
		"apiserver": {Request: pki.Request{
			Name: "kube-apiserver",
			DNS: append([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local"}, localNames...),
			IPs: append([]netip.Addr{l.Slot.ServiceRange().Addr().Next(), l.Slot.NodeIP()}, local...),
		}},
		"apiserver-kubelet": {Request: pki.Request{Name: "kube-apiserver-kubelet-client", Groups: admins}},
		"front-proxy":       {Request: pki.Request{Name: "front-proxy-client"}, front: true},
		"admin":             {Request: pki.Request{Name: "fairlead-admin", Groups: admins}},
		"controller-manager": {Request: pki.Request{
			Name: "system:kube-controller-manager", DNS: localNames, IPs: local}},
		"scheduler": {Request: pki.Request{Name: "system:kube-scheduler", DNS: localNames, IPs: local}},
		"kubelet": {Request: pki.Request{
			Name: "system:node:" + l.NodeName, Groups: []string{"system:nodes"},
			DNS: []string{l.NodeName}, IPs: []netip.Addr{l.Slot.NodeIP()}}},
	}
	if l.Services {
		for _, name := range []string{Proxy, DNS, VolumeProvisioner} {
			certs[name] = certificate{Request: pki.Request{Name: "system:" + name}}
		}
	}
	return certs
}
