package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
)

const (
	firstPort = 12000
	lastPort  = 20999 // test/kube's range begins behind it
	perBlock  = 50    // the first of them guards the others
	blocks    = (lastPort - firstPort + 1) / perBlock
	loopback  = "127.0.0.1"
)

// pool has the ports of this process.
type pool struct {
	mu     sync.Mutex
	free   []int          // guarded by mu: the one to give next is the first
	guards []net.Listener // guarded by mu: of the blocks taken, open as long as the process runs
}

var ours pool

// Address returns a loopback address on which nothing listens. This process is not given
// its port again.
func Address() (string, error) { return AddressOn(loopback) }

// AddressOn is [Address] for another address of this machine.
func AddressOn(host string) (string, error) {
	port, err := ours.take(host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// For returns a port of the loopback address on which nothing listens. It is the test's
// until the test has ended, whatever was started on it and stopped meanwhile: clean-ups
// that are registered after the call run before.
func For(t testing.TB) int {
	t.Helper()
	port, err := ours.take(loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.give(port) })
	return port
}

// AddressFor is [For] with the address before the port.
func AddressFor(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort(loopback, strconv.Itoa(For(t)))
}

// take returns a port on which nothing listens at host.
func (p *pool) take(host string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var taken error
		for i, port := range p.free {
			l, err := net.Listen("tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
			if err == nil {
				p.free = slices.Delete(p.free, i, i+1)
				return port, l.Close()
			}
			taken = err
		}
		if err := p.claim(); err != nil {
			return 0, errors.Join(err, taken)
		}
	}
}

// give takes back a port. The one that was given back longest ago is the next to be used.
func (p *pool) give(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, port)
}

// claim takes a block that no other process has. The caller holds mu.
func (p *pool) claim() error {
	var last error
	for i, start := 0, rand.IntN(blocks); i < blocks; i++ {
		first := firstPort + (start+i)%blocks*perBlock
		l, err := net.Listen("tcp4", net.JoinHostPort(loopback, strconv.Itoa(first)))
		if err != nil {
			last = err
			continue
		}
		p.guards = append(p.guards, l)
		block := make([]int, perBlock-1)
		for i := range block {
			block[i] = first + 1 + i
		}
		p.free = append(block, p.free...) // before those on which something listens
		return nil
	}
	return fmt.Errorf("all %d blocks of ports from %d to %d are taken: %w", blocks, firstPort, lastPort, last)
}
