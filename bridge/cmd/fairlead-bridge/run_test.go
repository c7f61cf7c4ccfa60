package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// A broker elsewhere is reached over verified TLS or not at all.
func TestBrokerURLs(t *testing.T) {
	for url, ok := range map[string]bool{
		"tls://broker:4222": true, "wss://git.example.com/-/fairlead/": true, "nats://localhost:4222": true,
		"nats://127.0.0.1:4222": true, "ws://[::1]:80": true, "nats://broker:4222": false, "ws://10.0.0.1": false,
		"broker:4222": false, "https://broker": false, "tls://u:secret@broker": false, "": false,
	} {
		o := runOptions{tokens: "t", tenants: "t", seed: "s", cert: "c", key: "k", idleTimeout: time.Second, broker: reach.Config{Servers: []string{url}}}
		if err := o.validate(); (err == nil) != ok {
			t.Errorf("--broker-url %q: %v", url, err)
		}
	}
}

// /readyz stays short however many tenants there are.
func TestRefusals(t *testing.T) {
	var tenants []string
	for i := range 1000 {
		tenants = append(tenants, fmt.Sprintf("t%d", i))
	}
	for n, want := range map[int]string{0: "", 1: "t0", 10: "t8, t9", 1000: "t9 and 990 more"} {
		if got := refusals(tenants[:n]); !strings.HasSuffix(got, want) || (got == "") != (n == 0) {
			t.Errorf("%d refused: %q, want it to end with %q", n, got, want)
		}
	}
}

// Plain HTTP can be reached only from the same host.
func TestInsecureHTTPListens(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:8443": true, "[::1]:8443": true, "localhost:0": true, "127.8.8.8:1": true,
		":8443": false, "0.0.0.0:8443": false, "[::]:8443": false, "10.0.0.1:8443": false, "example.com:8443": false, "127.0.0.1": false,
	} {
		if loopback(address) != ok {
			t.Errorf("--listen %q: loopback is %v", address, !ok)
		}
	}
}

// TestNothingListensUntilTheFlagsAreGood: each mistake is refused with the name of
// its flag, before a broker or the HTTP side could be reached.
func TestNothingListensUntilTheFlagsAreGood(t *testing.T) {
	good := func() *runOptions {
		return &runOptions{tokens: "t", tenants: "t", seed: "s", cert: "c", key: "k", listen: ":8443", idleTimeout: time.Second,
			broker: reach.Config{Servers: []string{"tls://broker:4222"}, Transport: transport.Config{Prefix: "broker-"}}}
	}
	if err := good().validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := good().edge(); err != nil {
		t.Fatal(err)
	}
	for flag, spoil := range map[string]func(o *runOptions){
		"--public-url":           func(o *runOptions) { o.publicURL = "foo" },
		"--cluster-domain":       func(o *runOptions) { o.clusterDomain = "*.x" },
		"--cors-allowed-origins": func(o *runOptions) { o.corsOrigins = []string{"*"} },
		"--trusted-proxies":      func(o *runOptions) { o.front.trustedProxies = []string{"x"} },
		"--proxy-protocol":       func(o *runOptions) { o.front.proxyProtocol = true },
		"--drain-timeout: -1ns":  func(o *runOptions) { o.drainTimeout = -1 },
		"--drain-timeout: 25h":   func(o *runOptions) { o.drainTimeout = 25 * time.Hour },
		"--idle-timeout: 0s":     func(o *runOptions) { o.idleTimeout = 0 },
		"--idle-timeout: 90ms":   func(o *runOptions) { o.idleTimeout = 90 * time.Millisecond },
		"--reconnect-grace: -1":  func(o *runOptions) { o.grace = -1 },
		"--reconnect-grace: 4h":  func(o *runOptions) { o.grace = 4 * time.Hour },
		"broker-url: ws:// is":   func(o *runOptions) { o.broker.Servers = []string{"ws://broker"} },
		"broker-client-key":      func(o *runOptions) { o.broker.Transport.CertFile = "x" },
		"broker-header-file":     func(o *runOptions) { o.broker.Transport.Headers = []string{"X-A: b"} },
		"--broker-max-connects-per-second: -1": func(o *runOptions) {
			o.broker.Servers, o.embedded = nil, broker.Config{Dir: "d", MaxConnects: -1}
		},
		"listen": func(o *runOptions) { o.listen = "8443" },
	} {
		o := good()
		spoil(o)
		err := o.validate()
		if err == nil {
			_, err = o.edge()
		}
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	o := good()
	o.clusterDomain, o.publicURL = "k8s.example.com", "https://a.k8s.example.com"
	if _, err := o.edge(); err == nil || !strings.HasPrefix(err.Error(), "--public-url: ") {
		t.Errorf("public URL below the cluster domain: %v", err)
	}
}
