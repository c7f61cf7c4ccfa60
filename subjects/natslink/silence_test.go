package natslink

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// established is a connection after nats.go has greeted the broker, and the broker's end.
func established(t *testing.T) (*heardConn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c := &heardConn{Conn: near}
	for _, deadline := range []time.Time{time.Now().Add(dialTimeout), {}} {
		if err := c.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	return c, far
}

// TestSilenceEndsAConnection: a connection that brings nothing is closed after 15 s, also
// while a write waits.
func TestSilenceEndsAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := established(t)
		defer far.Close()
		began := time.Now()
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("PING\r\n")) // nobody reads
			wrote <- err
		}()
		_, err := c.Read(make([]byte, 8))
		took := time.Since(began)
		if !errors.Is(err, nats.ErrStaleConnection) {
			t.Errorf("read: %v", err)
		}
		if err := <-wrote; !errors.Is(err, nats.ErrStaleConnection) {
			t.Errorf("write: %v", err)
		}
		if took > silenceLimit || took < silenceLimit-2*lookEvery {
			t.Errorf("closed after %v", took)
		}
	})
}

// TestHeardConnectionsStay: a byte now and then is enough, and a connection counts from
// its last one.
func TestHeardConnectionsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := established(t)
		defer c.Close()
		defer far.Close()
		go func() {
			for _, pause := range []time.Duration{time.Millisecond, 900 * time.Millisecond, 12 * time.Second, 12 * time.Second, 5 * time.Second} {
				time.Sleep(pause)
				_, _ = far.Write([]byte("x"))
			}
		}()
		b := make([]byte, 8)
		for i := range 5 {
			if _, err := c.Read(b); err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		last := time.Now()
		if _, err := c.Read(b); !errors.Is(err, nats.ErrStaleConnection) {
			t.Errorf("at the end: %v", err)
		}
		if took := time.Since(last); took > silenceLimit || took < silenceLimit-2*lookEvery {
			t.Errorf("closed %v after the last byte", took)
		}
	})
}

// TestSuspendedProcessLooksOnceMore: after a suspension the deadline has passed, although
// something has arrived.
func TestSuspendedProcessLooksOnceMore(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := &heardConn{Conn: &lateConn{Conn: near}}
	defer c.Close()
	c.established.Store(true)
	go func() { _, _ = far.Write([]byte("PONG")) }()
	b := make([]byte, 8)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "PONG" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

// lateConn fails the first read as if its deadline had passed.
type lateConn struct {
	net.Conn
	passed bool
}

func (c *lateConn) Read(b []byte) (int, error) {
	if !c.passed {
		c.passed = true
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(b)
}
