package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/tunnel/parting"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
)

func sameProtocol(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), b) }

// switchProtocols hijacks the connection after a 101 and copies raw bytes both
// ways until both directions have ended, one has broken, or ctx ends. There is no
// HTTP any more, so an error can only be shown by breaking the connection.
func (rl *relay) switchProtocols(head *subjects.ResponseHead) {
	if err := rl.tap(head); err != nil {
		rl.fail(err)
		return
	}
	rl.rec.Status = head.Status
	defer rl.t.upgraded.add()()
	h, protocol := rl.w.Header(), head.Header["Upgrade"]
	copyResponse(h, head.Header, rl.to.Prefix)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, protocol
	conn, rw, err := http.NewResponseController(rl.w).Hijack()
	if err != nil {
		rl.rec.Aborted = fmt.Errorf("hijack the connection: %w", err)
		return
	}
	defer conn.Close()
	d := &duplex{
		conn: conn, st: rl.x.st, usage: rl.x.usage, tap: rl.to.Tap, tcp: clientConn(rl.r),
		frames: parting.NewFraming(protocol[0], head.Header), refusal: rl.refusal, requestID: rl.rec.ID,
	}
	// Before the first byte is written: a client that does not read must not delay a
	// drain or the end of its lease. It must work even while neither direction of
	// copying uses the stream.
	ctx := rl.ctx
	stop := context.AfterFunc(ctx, func() { d.cut(context.Cause(ctx)) })
	defer stop()
	defer d.follow()()
	err = rl.x.usage.Take(ctx, len(rl.x.rest))
	if err == nil {
		err = writeSwitch(rw.Writer, h, rl.x.rest)
	}
	if err != nil {
		socket.Abort(conn) // an orderly close would wait for the client again
		rl.rec.Aborted = fmt.Errorf("write to the client: %w", err)
		return
	}
	rl.rec.Sent = int64(len(rl.x.rest))
	rl.rec.Started()
	if d.frames != nil {
		d.frames.Pass(rl.x.rest)
	}
	if sameProtocol(protocol[0], "websocket") && subjects.IsWatch(rl.r.Method, rl.to.Target) {
		rl.endWhenLeaving(func() { d.part(parting.GoingAway, ErrStopping) })
	}
	received, sent, err := d.run(ctx, rw.Reader)
	rl.rec.Received, rl.rec.Sent = received, rl.rec.Sent+sent
	if err != nil {
		// rec.Aborted tells net/http to break the connection, which is no longer
		// net/http's, so it stays unset.
		rl.rec.Broken = err
		rl.t.Logger.DebugContext(rl.r.Context(), "upgraded connection broke", "error", err)
	}
}

// writeSwitch writes the 101 and the first bytes of the new protocol.
func writeSwitch(w *bufio.Writer, h http.Header, first []byte) error {
	_, _ = w.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(w)
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(first)
	return w.Flush() // an error sticks
}

// errClient is wrapped by errors of reading from or writing to the client.
var errClient = errors.New("the client's connection broke")
