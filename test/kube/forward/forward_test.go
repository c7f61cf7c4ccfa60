package forward

import (
	"io"
	"net"
	"testing"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, f *Forwarder) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // of a machine that hangs
	return c.(*net.TCPConn)
}

func forwarder(t *testing.T, to net.Listener) *Forwarder {
	t.Helper()
	f, err := Listen("127.0.0.1:0", to.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// What a server says after it has seen the end of the request must arrive.
func TestHalfClose(t *testing.T) {
	target := listen(t)
	go func() {
		c, err := target.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		c.Write(append([]byte("got "), all...))
	}()
	c := dial(t, forwarder(t, target))
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "got hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCloseCutsConnections(t *testing.T) {
	target := listen(t)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := target.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	f := forwarder(t, target)
	c := dial(t, f)
	server := <-accepted
	defer server.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the client's connection is open after Close")
	}
	server.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := server.Read(make([]byte, 1)); err == nil {
		t.Error("the server's connection is open after Close")
	}
	if _, err := net.Dial("tcp", f.Addr().String()); err == nil {
		t.Error("it still listens after Close")
	}
}

func TestATargetThatIsGoneEndsTheConnection(t *testing.T) {
	target := listen(t)
	f := forwarder(t, target)
	target.Close()
	if _, err := dial(t, f).Read(make([]byte, 1)); err == nil {
		t.Error("the client waits for a target that is not there")
	}
}
