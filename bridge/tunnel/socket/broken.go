package socket

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// Linger is how long a client still gets what was written to it when its
	// connection must end.
	Linger = 500 * time.Millisecond
	// deliveryTime bounds how long an upgraded connection that the cluster's side
	// broke off stays for what the client has still to get. The kernel holds
	// about what the path takes in two round trips. A client that has not taken
	// it within the time after which a silent agent is presumed dead is treated
	// as dead too.
	deliveryTime = subjects.PeerTimeout
	// unsentPoll is how often the kernel is asked whether it has sent everything:
	// it does not notify anybody.
	unsentPoll = 10 * time.Millisecond
)

// CloseBroken ends a connection so that the client gets everything that was
// written to it and then sees it break, never a good end. Nobody else may use the
// connection any more. When ctx ends, or has ended, the client has Linger left.
//
// A TCP reset alone takes back what the kernel has not sent yet. Over TLS the
// client is therefore told in order, behind the bytes: by a record that ends
// before it is whole, which no implementation takes for an end (a record
// boundary it may be, many servers send no close_notify). What there is in
// between, such as a load balancer, passes that on as well. Then the client
// closes. Without TLS there is only the reset, once the client's system has all.
func CloseBroken(ctx context.Context, c net.Conn) {
	wait := deliveryTime
	if ctx.Err() != nil {
		ctx, wait = context.WithoutCancel(ctx), Linger
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
		endUnfinished(ctx, c)
	} else {
		awaitSent(ctx, c)
	}
	Abort(c)
}

// recordTypeData is the first byte of a TLS record that holds data.
const recordTypeData = 0x17

// endUnfinished writes the first byte of a record and the end of the
// connection, and drops what the client sends until it closes too: closing
// with unread bytes would reset the connection at once.
func endUnfinished(ctx context.Context, c net.Conn) {
	_ = c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write([]byte{recordTypeData}); err != nil {
		return // gone, or it has taken nothing for all the time
	}
	if err := CloseWrite(c); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c)
}

// awaitSent waits until the client's system has acknowledged all that was
// written, if this system can tell.
func awaitSent(ctx context.Context, c net.Conn) {
	t := time.NewTicker(unsentPoll)
	defer t.Stop()
	for unsent(c) > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Abort closes a connection so that the client sees it break: without TLS's
// word for a good end, and with a TCP reset, which takes back what the kernel
// has not sent yet.
func Abort(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
