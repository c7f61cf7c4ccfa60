package node

import (
	"path/filepath"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// Layout says where a node's parts are. Paths do not depend on the cluster's folder
// and are short, because socket paths may have at most 107 bytes.
type Layout struct {
	Slot       slot.Slot
	Name       string // of the node
	Binary     string // the multi-call server binary
	Pause      string // the pause binary
	LogDir     string
	Kubeconfig string // the kubelet's
	CAFile     string // signs the clients that may call the kubelet
	CertFile   string // the kubelet's serving certificate
	KeyFile    string
	Services   *Services // nil for a node without services
}

// places are the folders of a slot.
type places struct{ slot slot.Slot }

func (p places) run(parts ...string) string {
	return filepath.Join(append([]string{"/run", p.slot.Name()}, parts...)...)
}

func (p places) lib(parts ...string) string {
	return filepath.Join(append([]string{"/var/lib", p.slot.Name()}, parts...)...)
}

func (p places) socket() string         { return p.run("containerd.sock") }
func (p places) containerState() string { return p.run("containerd") }
func (p places) networkConfig() string  { return p.run("net.d") }
func (p places) kubelet() string        { return p.lib("kubelet") }
func (p places) podLogs() string        { return p.lib("pod-logs") }
func (p places) savedKernel() string    { return p.run("kernel.json") }
func (p places) forwardRule() string    { return p.run("forward-rule") }
func (p places) volumes() string        { return p.lib("volumes") }

// network is the name of the pod network; the plugins' cache is keyed by it.
func (p places) network() string { return p.slot.Name() }

// Image names. No registry has them; they are made here and imported.
const (
	busyboxImage = "docker.io/library/busybox:local"
	pauseImage   = "fairlead.test/pause:local"
)

// Images lists what pods can run, by short name. Pods must not set the pull
// policy Always.
func Images() map[string]string {
	return map[string]string{"busybox": "busybox:local"}
}
