//go:build linux

package network

import (
	"bufio"
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

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

const (
	// idleLimit is how long the proxies of these tests, and nginx, let a connection be
	// idle, in seconds.
	idleLimit = 60
	// idleFor is how long an agent has nothing to do.
	idleFor = 150 * time.Second
)

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
			at, err := freeport.AddressOn(outsideIP)
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
