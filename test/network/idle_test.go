//go:build linux

package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

const (
	// noticedWithin bounds the time in which an agent notices that packets are dropped.
	noticedWithin = 45 * time.Second
	// idleLimit is how long the proxies of these tests, and nginx, let a connection be
	// idle, in seconds.
	idleLimit = 60
	// idleFor is how long an agent has nothing to do.
	idleFor = 150 * time.Second
)

// TestBlackHole: packets of the agent's connection are dropped without an answer. The
// agent notices, and connects again.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ transport, proxy string }{{"tls", "squid"}, {"wss", "tinyproxy-basic"}} {
		t.Run(tt.transport+"/"+tt.proxy, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			si.start(si.through(tt.transport, proxyNamed(tt.proxy)))
			si.reachable()
			before := si.connections(perimeterIP)
			si.swallow(perimeterIP)
			took := si.connectsAgain(before)
			t.Logf("connected again after %s", took.Round(time.Millisecond))
			si.reachable()
			si.caller().follow()
		})
	}
}

// TestCut: the agent's connection is reset. Everything that runs goes on over a new one,
// without a lost or a doubled byte.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ transport, proxy string }{{"tls", "squid"}, {"wss", "tinyproxy-basic"}} {
		t.Run(tt.transport+"/"+tt.proxy, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			si.start(si.through(tt.transport, proxyNamed(tt.proxy)))
			si.reachable()
			s := si.startStreams(si.caller())
			before := si.connections(perimeterIP)
			for _, port := range before {
				si.iptables("-A", "OUTPUT", "-p", "tcp", "-d", perimeterIP, "--sport", port, "-j", "REJECT", "--reject-with", "tcp-reset")
			}
			si.connectsAgain(before)
			s.more(30, time.Minute)
		})
	}
}

// connectsAgain waits for a connection to the perimeter that was not there before.
func (si *site) connectsAgain(before []string) (after time.Duration) {
	si.t.Helper()
	began := time.Now()
	err := harness.Until(si.t.Context(), "the agent to connect again", noticedWithin, si.agent, func(context.Context) error {
		for _, port := range si.connections(perimeterIP) {
			if !slices.Contains(before, port) {
				return nil
			}
		}
		return errors.New("no new connection")
	})
	if err != nil {
		si.t.Fatal(err)
	}
	return time.Since(began)
}

// idleProxies cut a connection that is idle for a minute.
var idleProxies = []forwardProxy{
	{name: "tinyproxy-idle", start: tinyproxy(idleLimit), route: https("http", login)},
	{name: "squid-idle", start: squid(append(anybody, fmt.Sprintf("read_timeout %d seconds", idleLimit), fmt.Sprintf("client_lifetime %d seconds", 3600))...), route: https("http", nil)},
}

// TestIdle: pings keep a connection on which nothing else happens.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tls", "wss"} {
		for _, p := range idleProxies {
			t.Run(transport+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				si := newSite(t)
				r := si.through(transport, p)
				r.server = strings.Replace(r.server, subPath, idlePath, 1)
				si.start(r)
				si.reachable()
				before := si.connections(perimeterIP)
				if len(before) != 1 {
					t.Fatalf("connections %v, want one", before)
				}
				deadline := time.NewTimer(idleFor)
				defer deadline.Stop()
				select {
				case <-deadline.C:
				case <-si.agent.Done():
					t.Fatal(si.agent.Err())
				}
				if after := si.connections(perimeterIP); !slices.Equal(after, before) {
					t.Errorf("connections %v, before %v", after, before)
				}
				si.reachable()
			})
		}
	}
}

// TestIdleIsCut shows that the proxies of TestIdle cut a connection without pings.
func TestIdleIsCut(t *testing.T) {
	t.Parallel()
	for _, p := range idleProxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			si := newSite(t)
			address := si.proxy(t, p.name, p.start).address
			at, err := harness.FreeAddressOn(outsideIP)
			if err != nil {
				t.Fatal(err)
			}
			silent, err := net.Listen("tcp4", at)
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close() // what it has accepted stays open until the proxy closes it
			conn, err := si.inside.Dial(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			req := &http.Request{Method: http.MethodConnect, Host: at, URL: nil, Header: http.Header{}}
			req.SetBasicAuth(proxyUser, proxyPassword)
			fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: %s\r\n\r\n", at, at, req.Header.Get("Authorization"))
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, req)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("CONNECT: %v, %v", resp, err)
			}
			began := time.Now()
			if err := conn.SetReadDeadline(began.Add(idleFor)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("an idle connection was not cut within %s: %v", idleFor, err)
			}
			if took := time.Since(began); took < idleLimit*time.Second/2 {
				t.Errorf("it was cut after %s", took)
			}
		})
	}
}
