package natslink

import (
	"io"
	"net"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestFailedGreetingWritesNothing: once the greeting could not be written, Write
// says so and claims no byte, as io.Writer demands.
func TestFailedGreetingWritesNothing(t *testing.T) {
	client, server := net.Pipe()
	_ = server.Close()
	c := &pipeConn{Conn: client}
	defer c.Close()
	if n, err := c.Write([]byte("CONNECT")); n != 7 || err != nil {
		t.Errorf("the first write: %d, %v, want it taken over", n, err)
	}
	eventually.True(t, "the greeting fails", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err != nil
	})
	if n, err := c.Write([]byte("PING")); n != 0 || err != io.ErrClosedPipe {
		t.Errorf("the next write: %d, %v, want 0, %v", n, err, io.ErrClosedPipe)
	}
}
