package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestClusterHealth: a node without the others is ready. The health check for the
// cluster says that it is isolated, until the others are there.
func TestClusterHealth(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fairlead")
	mustCall(t, "init", "--dir", dir)
	done := make(chan int, 2)
	run := func(args ...string) (ops string) {
		ops = freeport.AddressFor(t)
		go func() {
			code, _, stderr := call(append([]string{"run", "--dir", dir, "--listen", "127.0.0.1:0", "--websocket-listen", "off",
				"--cluster-nodes", "2", "--ops-listen", ops, "--drain-timeout", "1s"}, args...)...)
			if code != daemon.ExitOK {
				t.Errorf("run %v ended with %d: %s", args, code, stderr)
			}
			done <- code
		}()
		await(t, "http://"+ops+"/readyz", "takes connections")
		return ops
	}
	routes := freeport.AddressFor(t)
	first := run("--name", "first", "--routes-listen", routes)
	await(t, "http://"+first+"/readyz", "connected to 0 of 1 other nodes")
	code, out, _ := call("healthcheck", "cluster", "--ops-listen", first)
	if want := "nodes: connected to 0 of 1 other nodes: the log says why"; code != daemon.ExitFailure || !strings.HasPrefix(out, want) {
		t.Errorf("healthcheck cluster of an isolated broker: exit %d, %q; want %d with %q", code, out, daemon.ExitFailure, want)
	}

	second := run("--name", "second", "--routes-listen", "127.0.0.1:0", "--routes", "tls://"+routes, "--resolver-dir", t.TempDir())
	for _, ops := range []string{first, second} {
		out := mustCall(t, "healthcheck", "cluster", "--ops-listen", ops, "--wait", "20s")
		for _, want := range []string{"[+]broker takes connections", "[+]nodes connected to 1 of 1 other nodes", "clusterz check passed"} {
			if !strings.Contains(out, want) {
				t.Errorf("healthcheck cluster prints no %q:\n%s", want, out)
			}
		}
	}

	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("run does not end at SIGTERM")
		}
	}
}

// TestRegionHealth: a node of a region by itself is ready, and says which region it is not
// connected to, until that is there.
func TestRegionHealth(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fairlead")
	mustCall(t, "init", "--dir", dir)
	west, east := freeport.AddressFor(t), freeport.AddressFor(t)
	done := make(chan int, 2)
	run := func(region, listen string) (ops string) {
		ops = freeport.AddressFor(t)
		go func() {
			code, _, stderr := call("run", "--dir", dir, "--name", region, "--resolver-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--websocket-listen", "off",
				"--cluster-name", region, "--gateways-listen", listen, "--gateways", "west=tls://"+west+",east=tls://"+east,
				"--ops-listen", ops, "--drain-timeout", "1s")
			if code != daemon.ExitOK {
				t.Errorf("run of %s ended with %d: %s", region, code, stderr)
			}
			done <- code
		}()
		return ops
	}
	first := run("west", west)
	await(t, "http://"+first+"/readyz", "not connected to region east")
	code, out, _ := call("healthcheck", "cluster", "--ops-listen", first)
	if want := "regions: not connected to region east: the log says why"; code != daemon.ExitFailure || !strings.Contains(out, want) {
		t.Errorf("healthcheck cluster of a region by itself: exit %d, %q; want %d with %q", code, out, daemon.ExitFailure, want)
	}
	second := run("east", east)
	for ops, want := range map[string]string{first: "[+]regions connected to region east", second: "[+]regions connected to region west"} {
		if out := mustCall(t, "healthcheck", "cluster", "--ops-listen", ops, "--wait", "20s"); !strings.Contains(out, want) {
			t.Errorf("healthcheck cluster prints no %q:\n%s", want, out)
		}
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("run does not end at SIGTERM")
		}
	}
}
