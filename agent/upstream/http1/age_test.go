package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting returns a pool of connections in memory, and how many were opened and are open.
func counting(change func(*Config)) (p *Pool, opened, open func() int32) {
	var made, over atomic.Int32
	cfg := Config{
		MaxIdle: 2, MaxBusy: 2, IdleTimeout: time.Minute, MaxAge: 4 * time.Minute, MaxHead: 1 << 10,
		Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			made.Add(1)
			go func() {
				defer over.Add(1)
				defer far.Close()
				for r := bufio.NewReader(far); readRequest(r) != nil; {
					_, _ = io.WriteString(far, short)
				}
			}()
			return near, nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), made.Load, func() int32 { synctest.Wait(); return made.Load() - over.Load() }
}

// TestAge: a connection that is never idle for long is replaced all the same.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, opened, open := counting(nil)
		defer p.CloseIdleConnections()
		for range 40 { // minutes
			for range 4 {
				if _, _, err := ask(t, p, request(t.Context(), t, "POST", "x")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(15 * time.Second)
			}
			if n := open(); n > 1 {
				t.Fatalf("%d connections are open", n)
			}
		}
		if n := opened(); n < 10 || n > 14 {
			t.Errorf("%d connections in 40 minutes, want one in 3 to 4", n)
		}
	})
}

// TestRetire: connections from before it are not used for what is asked after it, those
// that were idle and those that were in use.
func TestRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, opened, open := counting(nil)
		defer p.CloseIdleConnections()
		inUse, err := p.RoundTrip(request(t.Context(), t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil {
			t.Fatal(err)
		}
		p.Retire()
		if n := open(); n != 1 {
			t.Errorf("%d connections are open, want the one in use", n)
		}
		if b, err := io.ReadAll(inUse.Body); err != nil || string(b) != "ok" {
			t.Errorf("the one in use: %q, %v", b, err)
		}
		if n := open(); n != 0 {
			t.Errorf("%d connections are open after the last exchange", n)
		}
		for range 2 {
			if _, _, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil {
				t.Fatal(err)
			}
		}
		if n := opened(); n != 3 {
			t.Errorf("%d connections were opened, want 3", n)
		}
	})
}

// TestRetiredWhileOpening: a connection that was being opened serves the request that
// waits for it, and no other.
func TestRetiredWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *Pool
		var opened func() int32
		first := true
		p, opened, _ = counting(func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (net.Conn, error) {
				if first {
					first = false
					p.Retire()
				}
				return dial(ctx)
			}
		})
		defer func() { p.CloseIdleConnections() }()
		for range 3 {
			if _, _, err := ask(t, p, request(t.Context(), t, "GET", "")); err != nil {
				t.Fatal(err)
			}
		}
		if n := opened(); n != 2 {
			t.Errorf("%d connections were opened, want 2", n)
		}
	})
}
