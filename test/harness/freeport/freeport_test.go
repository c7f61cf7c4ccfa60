package freeport

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

// occupy listens on a port, unless somebody does.
func occupy(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
}

func take(t *testing.T, p *pool) int {
	t.Helper()
	port, err := p.take(loopback)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// release gives back what a pool took from the other processes of tests.
func release(p *pool) {
	for _, l := range p.guards {
		_ = l.Close()
	}
}

// TestPoolsAreApart: what two processes are given, which a pool is to the other.
func TestPoolsAreApart(t *testing.T) {
	var a, b pool
	defer release(&a)
	defer release(&b)
	owner := map[int]*pool{}
	for range 3 * perBlock {
		for _, p := range []*pool{&a, &b} {
			port := take(t, p)
			if port < firstPort || port > lastPort {
				t.Fatalf("port %d is not from %d to %d", port, firstPort, lastPort)
			}
			if owner[port] != nil {
				t.Fatalf("port %d was given twice", port)
			}
			owner[port] = p
		}
	}
}

// TestOwners: a port is not given to others while a test has it, though nothing listens.
func TestOwners(t *testing.T) {
	var mine []int
	t.Run("owner", func(t *testing.T) {
		for range perBlock / 2 {
			mine = append(mine, For(t))
		}
		for range 2 * perBlock {
			t.Run("other", func(t *testing.T) {
				if port := For(t); slices.Contains(mine, port) {
					t.Fatalf("port %d was given to another test", port)
				}
			})
		}
	})
	before := len(ours.guards)
	t.Run("later", func(t *testing.T) {
		again := 0
		for range perBlock - 1 {
			if slices.Contains(mine, For(t)) {
				again++
			}
		}
		if again == 0 || len(ours.guards) != before {
			t.Errorf("%d of %d ports were used again, with %d blocks, and %d before", again, len(mine), len(ours.guards), before)
		}
	})
}

// TestTakenPorts: one on which something listens is passed over, and given later.
func TestTakenPorts(t *testing.T) {
	var p pool
	defer release(&p)
	first := take(t, &p)
	p.give(first)
	t.Run("while others listen", func(t *testing.T) {
		for _, port := range p.free {
			occupy(t, port)
		}
		if port := take(t, &p); len(p.guards) != 2 {
			t.Errorf("given %d of %d blocks", port, len(p.guards))
		}
	})
	for range 2*perBlock - 3 {
		if take(t, &p) == first {
			return
		}
	}
	t.Errorf("port %d is not given any more", first)
}

// TestKernelChoosesOthers: a port that is free for a moment is not lost to a connection.
func TestKernelChoosesOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the range of the kernel where Linux has it")
	}
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	var low, high int
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil || low <= lastPort {
		t.Errorf("the kernel chooses ports from %d to %d (%v), and tests from %d to %d", low, high, err, firstPort, lastPort)
	}
}
