package socket

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"
)

const (
	// Linger is how long a client may still receive bytes that were written to it
	// when its connection must end.
	Linger = 500 * time.Millisecond
	// deliveryTime bounds how long an upgraded connection that broke on the
	// cluster's side stays open until the client has received the last bytes. The
	// kernel buffers about two round trips' worth. A client that does not receive
	// them in that time is presumed dead.
	deliveryTime = 10 * time.Second
	// unsentPoll is how often the kernel is asked whether it has sent everything;
	// it has no notification for that.
	unsentPoll = 10 * time.Millisecond
)

// CloseBroken ends a connection so that the client receives every byte that was
// written to it and then sees the connection break, never end in order. No other
// goroutine may use the connection any more. When ctx ends, or has ended, the client
// has Linger left.
//
// A TCP reset alone discards bytes that the kernel has not sent yet. Over TLS the
// break is therefore sent in order, after the bytes: as a record that is cut short.
// No implementation mistakes that for an orderly end, while an end between two
// records may pass for one, since many servers send no close_notify. A load balancer
// in between passes it on too. Then the client closes. Without TLS there is only the
// reset, once the client's system has acknowledged all bytes.
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

// endUnfinished writes the first byte of a record, closes the sending side, and
// drops bytes from the client until it closes too: closing with unread bytes would
// reset the connection at once.
func endUnfinished(ctx context.Context, c net.Conn) {
	_ = c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write([]byte{recordTypeData}); err != nil {
		return // the client is gone, or has read nothing for all that time
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

// Abort closes a connection so that the client sees it break: without a TLS
// close_notify, and with a TCP reset, which discards bytes that the kernel has not
// sent yet.
func Abort(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
