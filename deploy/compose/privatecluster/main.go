// Command privatecluster is the private cluster of docker-compose.yml: a real control
// plane (etcd, kube-apiserver, kube-controller-manager) in one container, which only
// the agents next to it can reach. Its image also has the binary 'kubernetes' of
// test/kube. It needs only the standard library.
//
//	privatecluster run             start the control plane, keep the agent's access fresh
//	privatecluster healthcheck     whether it serves and the agent has its access
//	privatecluster probe ADDRESS   whether ADDRESS takes connections from here
//
// There is no node and no scheduler, so that no pod ever runs; everything else
// of the API is real.
//
// Invariants:
//   - State is in /data and nowhere else: a new container continues with the same
//     authority and the same objects.
//   - The agent's access is in /access: a kubeconfig with a token of its own
//     service account, which expires in an hour and is renewed well before.
//   - It ends with an error when a component ends; SIGTERM stops all of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Paths in the container.
const (
	dataDir   = "/data"
	accessDir = "/access"
	binary    = "/kubernetes"
	// serverName is the control plane's name on the private network.
	serverName = "cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "privatecluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "run":
		return serve(ctx)
	case len(args) == 1 && args[0] == "healthcheck":
		return healthcheck(ctx)
	case len(args) == 2 && args[0] == "probe":
		return probe(ctx, args[1])
	}
	return errors.New("usage: privatecluster run | healthcheck | probe ADDRESS")
}

// serve runs the control plane until ctx ends.
func serve(ctx context.Context) error {
	ids, err := loadIdentities(dataDir)
	if err != nil {
		return err
	}
	api, err := newAPI("https://127.0.0.1:"+apiPort, ids)
	if err != nil {
		return err
	}
	defer api.close()
	return supervise(ctx, components(dataDir), api, func(ctx context.Context) error {
		return keepAccess(ctx, api, ids.authority.cert, accessDir)
	})
}

// healthcheck is for the container's HEALTHCHECK: agents start when it passes.
func healthcheck(ctx context.Context) error {
	if _, err := os.Stat(accessFile(accessDir, "kubeconfig")); err != nil { // written last
		return fmt.Errorf("the agent has no access yet: %w", err)
	}
	ca, err := os.ReadFile(accessFile(accessDir, "ca.crt"))
	if err != nil {
		return fmt.Errorf("the agent has no access yet: %w", err)
	}
	api, err := newAnonymousAPI("https://127.0.0.1:"+apiPort, ca)
	if err != nil {
		return err
	}
	defer api.close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // below the check's own time-out
	defer cancel()
	return api.healthy(ctx)
}

// probe dials as a client would. The wait is longer than the kernel on the same
// machine takes to answer.
func probe(ctx context.Context, address string) error {
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("not reachable from here: %w", err)
	}
	fmt.Println("reachable:", conn.RemoteAddr())
	return conn.Close()
}
