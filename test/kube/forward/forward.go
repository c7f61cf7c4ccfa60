// Package forward passes TCP connections on from one address to another.
//
// Invariants:
//   - Bytes are not interpreted. The end of one direction is passed on without
//     ending the other, so half-closed connections work.
//   - Close returns only when all connections and goroutines have ended.
//
// Goroutines: one accepts, and each connection has one for each direction.
package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialWithin bounds a dial of the target, which is on this machine.
const dialWithin = 5 * time.Second

// Forwarder accepts connections until it is closed.
type Forwarder struct {
	listener net.Listener
	to       string
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// Listen forwards from one TCP address to another.
func Listen(from, to string) (*Forwarder, error) {
	l, err := net.Listen("tcp", from)
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", to, err)
	}
	f := &Forwarder{listener: l, to: to}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.running.Go(f.accept)
	return f, nil
}

// Addr is the address on which it listens.
func (f *Forwarder) Addr() net.Addr { return f.listener.Addr() }

// Close cuts all connections.
func (f *Forwarder) Close() error {
	f.cancel()
	err := f.listener.Close()
	f.running.Wait()
	return err
}

func (f *Forwarder) accept() {
	for {
		conn, err := f.listener.Accept()
		switch {
		case err == nil:
			f.running.Go(func() { f.serve(conn) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // an error of one connection, or too many open files: both are temporary
			select {
			case <-f.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func (f *Forwarder) serve(client net.Conn) {
	defer client.Close()
	dialer := net.Dialer{Timeout: dialWithin}
	server, err := dialer.DialContext(f.ctx, "tcp", f.to)
	if err != nil {
		return // the client sees the end of its connection, as with any proxy
	}
	defer server.Close()
	stop := context.AfterFunc(f.ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	var up sync.WaitGroup
	up.Go(func() { pass(server, client) })
	pass(client, server)
	up.Wait()
}

// pass copies one direction to its end. After a failure it ends both directions.
func pass(to, from net.Conn) {
	tcp := to.(*net.TCPConn)
	if _, err := tcp.ReadFrom(from); err != nil { // copied inside the kernel if possible
		to.Close()
		from.Close()
		return
	}
	tcp.CloseWrite() // fails only on a connection that the other direction closed
}
