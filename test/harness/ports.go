package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports come from a range below that of ephemeral ports. So a port that we found
// free stays free until its process starts, and when that process restarts.
const (
	firstPort = 12000
	lastPort  = 20999 // test/kube's range begins behind it
	loopback  = "127.0.0.1"
)

var ports = struct {
	mu   sync.Mutex
	next int // guarded by mu
}{next: firstPort + rand.IntN(lastPort-firstPort)}

// FreeAddress returns a loopback address on which nothing listens. It is not
// returned again before all others have been.
func FreeAddress() (string, error) { return FreeAddressOn(loopback) }

// FreeAddressOn is FreeAddress for another address of this machine.
func FreeAddressOn(host string) (string, error) {
	ports.mu.Lock()
	defer ports.mu.Unlock()
	var last error
	for range lastPort - firstPort + 1 {
		address := net.JoinHostPort(host, strconv.Itoa(ports.next))
		if ports.next++; ports.next > lastPort {
			ports.next = firstPort
		}
		l, err := net.Listen("tcp4", address)
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port: %w", last)
}

// freeAddresses fills in several addresses.
func freeAddresses(into ...*string) error {
	for _, a := range into {
		var err error
		if *a, err = FreeAddress(); err != nil {
			return err
		}
	}
	return nil
}
