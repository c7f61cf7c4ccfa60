package tenant

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
)

// TestQueryDoesNotWait: a query is sent on the way of requests that can be
// answered at once, and must not wait for a broker that has stopped talking.
func TestQueryDoesNotWait(t *testing.T) {
	s := natstest.Start(t, "acme")
	urls := s.ClientURLs()
	p := newPool(t, s, func(c *Config) { c.InProcess, c.Servers = nil, urls })
	c := acquire(t, p, "acme")
	defer c.Release()
	eventually(t, "the connection is up", func() bool { return c.nc.IsConnected() })
	s.Stop()
	mute, err := net.Listen("tcp", strings.TrimPrefix(urls[0], "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	dialled := make(chan net.Conn, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			select {
			case dialled <- conn: // and nothing is ever said on it
			default:
				_ = conn.Close()
			}
		}
	}()
	conn := <-dialled
	began := time.Now()
	for range 2 * maxAsking {
		_ = c.query("prod")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d queries took %v while the broker was being dialled", 2*maxAsking, took)
	}
	_, _ = mute.Close(), conn.Close()
	<-done
}
