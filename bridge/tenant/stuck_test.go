package tenant

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestQueryDoesNotWait: requests that can be answered at once send queries too, so a
// query must not wait for a broker that has stopped responding.
func TestQueryDoesNotWait(t *testing.T) {
	s := natstest.Start(t, "acme")
	urls := s.ClientURLs()
	p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, urls...) })
	c := acquire(t, p, "acme")
	defer c.Release()
	eventually.True(t, "the connection is up", func() bool { return c.nc.IsConnected() })
	s.Stop()
	<-mute(t, urls[0])
	began := time.Now()
	for range 2 * maxAsking {
		_ = c.Query("prod")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d queries took %v while the broker was being dialled", 2*maxAsking, took)
	}
}

// mute listens at a broker's URL and never says anything. It passes on that a
// connection has been made.
func mute(t *testing.T, url string) <-chan struct{} {
	t.Helper()
	l, err := net.Listen("tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	dialed, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
			select {
			case dialed <- struct{}{}:
			default:
			}
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return dialed
}

// TestCloseDoesNotWait: a bridge stops at once although a broker that does not
// answer is being dialed, for the first time or again.
func TestCloseDoesNotWait(t *testing.T) {
	closes := func(t *testing.T, p *Pool) {
		began := time.Now()
		p.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v, want little", took)
		}
	}
	t.Run("at first", func(t *testing.T) {
		s := natstest.Start(t, "acme")
		url := "nats://" + freeport.AddressFor(t)
		dialed := mute(t, url)
		p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, url) })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-dialed
			cancel()
		}()
		if _, err := p.Acquire(ctx, "acme"); err == nil {
			t.Fatal("connected to a broker that says nothing")
		}
		closes(t, p)
	})
	t.Run("again", func(t *testing.T) {
		s := natstest.Start(t, "acme")
		urls := s.ClientURLs()
		p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, urls...) })
		c := acquire(t, p, "acme")
		defer c.Release()
		eventually.True(t, "the connection is up", func() bool { return c.nc.IsConnected() })
		s.Stop()
		<-mute(t, urls[0])
		closes(t, p)
	})
}
