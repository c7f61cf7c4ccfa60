package slot

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// Count is how many slots a machine has. It must stay below 256, as the number
// is one byte of an address.
const Count = 250

const (
	firstPort = 21000
	blockSize = 16
)

// Ports of a block. The first one is the claim itself.
const (
	claim = iota
	etcdClient
	etcdPeer
	apiServer
	controllerManager
	scheduler
	kubeletHealth
	volumeProvisioner
	used // how many ports of the block are in use
)

// Slot is a claimed or named slot.
type Slot struct{ Number int }

// Claim is the ownership of a slot. It ends with Close or with the process.
type Claim struct {
	Slot
	listener *net.TCPListener
}

// Acquire claims a free slot. The search starts at a place that depends on
// key, so that a cluster in the same folder tends to get the same slot again.
func Acquire(key string) (*Claim, error) {
	h := fnv.New32a()
	h.Write([]byte(key))
	start := int(h.Sum32() % Count)
	var last error
	for i := range Count {
		c, err := Take(Slot{Number: 1 + (start+i)%Count})
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, fmt.Errorf("claim a slot: none is free, last: %w", last)
}

// Take claims one slot. It fails at once if the slot is in use.
func Take(s Slot) (*Claim, error) {
	l, err := net.Listen("tcp4", s.addr(claim))
	if err != nil {
		return nil, fmt.Errorf("claim slot %d: %w", s.Number, err)
	}
	// The rest of the block may be taken by a program that knows nothing of slots.
	for port := claim + 1; port < used; port++ {
		probe, err := net.Listen("tcp4", s.addr(port))
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("claim slot %d: %w", s.Number, err)
		}
		probe.Close()
	}
	return &Claim{Slot: s, listener: l.(*net.TCPListener)}, nil
}

// File returns the claim as a file that a child can inherit; the slot stays
// claimed until both are closed.
func (c *Claim) File() (*os.File, error) {
	f, err := c.listener.File()
	if err != nil {
		return nil, fmt.Errorf("hand on slot %d: %w", c.Number, err)
	}
	return f, nil
}

// Close gives the slot back.
func (c *Claim) Close() error { return c.listener.Close() }

func (s Slot) addr(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port(port)))
}

func (s Slot) port(p int) int { return firstPort + blockSize*s.Number + p }

// EtcdClientPort and the methods below are the ports of the block by their use.
func (s Slot) EtcdClientPort() int        { return s.port(etcdClient) }
func (s Slot) EtcdPeerPort() int          { return s.port(etcdPeer) }
func (s Slot) APIServerPort() int         { return s.port(apiServer) }
func (s Slot) ControllerManagerPort() int { return s.port(controllerManager) }
func (s Slot) SchedulerPort() int         { return s.port(scheduler) }
func (s Slot) KubeletHealthPort() int     { return s.port(kubeletHealth) }
func (s Slot) VolumeProvisionerPort() int { return s.port(volumeProvisioner) }

// PodRange is the network of the pods; its first address is the node's. The range
// exists only on the slot's own bridge and is not routed beyond this machine.
func (s Slot) PodRange() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 201, byte(s.Number), 0}), 24)
}

// NodeIP is the node's address.
func (s Slot) NodeIP() netip.Addr { return s.PodRange().Addr().Next() }

// ServicesIP is the address of the cluster's name server and of kube-proxy: the
// second address of the pods' network.
func (s Slot) ServicesIP() netip.Addr { return s.NodeIP().Next() }

// FirstPodIP is the first address that a pod may get.
func (s Slot) FirstPodIP() netip.Addr { return s.ServicesIP().Next() }

// ServiceRange is the range of cluster IPs. Without services nothing routes there.
func (s Slot) ServiceRange() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 202, byte(s.Number), 0}), 24)
}

// Name is the slot's name in folders and namespaces that other programs share.
func (s Slot) Name() string { return NamePrefix + strconv.Itoa(s.Number) }

// NamePrefix starts the name of every slot.
const NamePrefix = "fairlead-kube-"

// Bridge is the name of the slot's network bridge (at most 15 bytes).
func (s Slot) Bridge() string { return fmt.Sprintf("flk%d", s.Number) }

// ServicesPort is the name of the bridge's port to the services' network
// namespace.
func (s Slot) ServicesPort() string { return s.Bridge() + "s" }
