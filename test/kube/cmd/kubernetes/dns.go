package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/coredns/caddy"

	// The server and what a Corefile of ours may name; every other plugin would
	// only make the build longer.
	_ "github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// runDNS serves the Corefile that is its one argument until SIGINT or SIGTERM.
// It is not CoreDNS's own main, whose flags and signals are process-wide from
// the moment that its package is imported.
func runDNS(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: kubernetes coredns COREFILE")
	}
	contents, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("read corefile: %w", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	caddy.Quiet = true // no banner
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: contents, Filepath: args[0], ServerTypeName: "dns"})
	if err != nil {
		return fmt.Errorf("start coredns: %w", err)
	}
	<-stop
	if err := instance.Stop(); err != nil {
		return fmt.Errorf("stop coredns: %w", err)
	}
	return nil
}
