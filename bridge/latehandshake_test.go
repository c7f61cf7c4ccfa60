package bridge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestDrainTellsLateHTTP2Connections: a connection whose handshake ends after the
// drain has begun gets a GOAWAY like all others, and does not delay the drain.
func TestDrainTellsLateHTTP2Connections(t *testing.T) {
	t.Parallel()
	accepted := make(chan struct{}, 1)
	r := newRig(t, rigOptions{change: func(s *http.Server) {
		s.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				accepted <- struct{}{}
			}
		}
	}})
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	within(t, "the connection is accepted", 5*time.Second, accepted)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	within(t, "the drain begins", 5*time.Second, r.server.leaving.Done())
	c := tls.Client(nc, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
	// The preface, and settings of which there are none.
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "Drain returns", 10*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}
