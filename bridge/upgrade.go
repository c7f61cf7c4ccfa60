package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/deploy/requestid"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func sameProtocol(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), b) }

// upgrade hijacks the connection after a 101 and copies raw bytes both ways
// until both directions have ended, one has broken, or ctx ends. From here on
// there is no HTTP: what breaks breaks the connection.
func (s *Server) upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request, rec *record, x *exchange, head *subjects.ResponseHead, prefix string) {
	rec.status = head.Status
	s.upgraded.Add(1)
	defer s.upgraded.Done()
	h, protocol := w.Header(), head.Header["Upgrade"]
	copyResponse(h, head.Header, prefix)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, protocol
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		rec.aborted = fmt.Errorf("hijack the connection: %w", err)
		return
	}
	defer conn.Close()
	if err := writeSwitch(rw.Writer, h, x.rest); err != nil {
		rec.aborted = fmt.Errorf("write to the client: %w", err)
		return
	}
	t := &tunnel{conn: conn, st: x.st}
	// Neither copying direction need be looking at the stream.
	stop := context.AfterFunc(ctx, func() { t.cut(context.Cause(ctx)) })
	defer stop()
	rec.received, rec.sent, err = t.run(ctx, rw.Reader)
	rec.sent += int64(len(x.rest))
	if err != nil {
		// net/http no longer looks after the connection, so rec.aborted, which
		// is for it, stays unset.
		s.cfg.Logger.DebugContext(requestid.With(r.Context(), rec.id), "upgraded connection broke", "error", err)
	}
}

// writeSwitch writes the 101 and what came with it.
func writeSwitch(w *bufio.Writer, h http.Header, first []byte) error {
	_, _ = w.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(w)
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(first)
	return w.Flush() // an error sticks
}

// tunnel is an upgraded connection and its stream.
type tunnel struct {
	conn net.Conn
	st   *stream.Stream

	mu       sync.Mutex // guards what follows, and the read deadline
	downOver bool       // nothing more is sent to the client
	stopped  bool       // nothing more of the client is wanted
	dropped  bool       // the connection is being broken off
}

// errClient is wrapped by the errors of a client that nothing reaches any more.
var errClient = errors.New("the client's connection broke")

// run copies both ways. buffered is what was read of the connection already. On
// an error the connection is broken off when it returns; ctx bounds how long
// that may take.
func (t *tunnel) run(ctx context.Context, buffered *bufio.Reader) (received, sent int64, err error) {
	up := make(chan error, 1)
	go func() {
		n, err := t.fromClient(buffered)
		received = n
		up <- err
	}()
	// A stream that ends while nobody reads it, and an API server that wants
	// no more bytes, must end the reading from the client.
	unwatch := context.AfterFunc(t.st.Context(), t.interrupt)
	defer unwatch()
	sent, err = t.toClient()
	if errors.Is(err, errClient) {
		t.st.Reset(subjects.CodeCanceled, errClient.Error())
	}
	if err == nil {
		t.over(&t.downOver)
	} else {
		t.drop()
	}
	upErr := <-up
	if err == nil || errors.Is(upErr, errClient) { // which broke the stream
		err = upErr
	}
	switch {
	case err == nil:
	case errors.Is(err, errClient):
		abort(t.conn)
	default:
		t.drop()
		part(ctx, t.conn)
	}
	return received, sent, err
}

// fromClient copies what the client sends until it half-closes.
func (t *tunnel) fromClient(buffered *bufio.Reader) (n int64, err error) {
	if k := buffered.Buffered(); k > 0 {
		b, _ := buffered.Peek(k)
		m, err := t.st.Write(b)
		n += int64(m)
		if err != nil {
			return n, t.ended(err)
		}
	}
	m, err := t.st.ReadFrom(t.conn)
	n += m
	if err == nil {
		if err = t.st.CloseWrite(); err == nil {
			return n, nil
		}
		return n, t.ended(err)
	}
	if cause := context.Cause(t.st.Context()); cause != nil {
		return n, t.ended(cause)
	}
	t.st.Reset(subjects.CodeCanceled, errClient.Error())
	return n, fmt.Errorf("%w: read: %w", errClient, err)
}

// interrupt ends the reading from the client, unless it is already known that
// what it sends is to be dropped.
func (t *tunnel) interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped && !t.dropped {
		_ = t.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// drop ends the reading from the client for good: the connection is broken off.
func (t *tunnel) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped = true
	_ = t.conn.SetReadDeadline(time.Unix(1, 0))
}

// cut ends both directions, even to a client that does not read.
func (t *tunnel) cut(cause error) {
	t.st.Reset(subjects.CodeCanceled, cause.Error())
	_ = t.conn.SetWriteDeadline(time.Now().Add(linger))
}

// ended deals with a stream that takes no more of the client's bytes. An API
// server that stopped reading has not ended the connection: what the client
// still sends is read and dropped, since closing a connection with unread
// bytes would take away what is on its way to the client.
func (t *tunnel) ended(err error) error {
	if !errors.Is(err, stream.ErrStopped) && !errors.Is(err, context.Canceled) {
		return err
	}
	t.over(&t.stopped)
	_, _ = io.Copy(io.Discard, t.conn)
	return nil
}

// over notes that a direction has ended. Once both have, the client gets a
// moment to close its side; before, it has all the time it wants.
func (t *tunnel) over(direction *bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*direction = true
	switch {
	case t.dropped:
	case t.stopped && t.downOver:
		_ = t.conn.SetReadDeadline(time.Now().Add(linger))
	case t.stopped:
		_ = t.conn.SetReadDeadline(time.Time{})
	}
}

// toClient copies what the API server sends until it half-closes.
func (t *tunnel) toClient() (n int64, err error) {
	for {
		b, err := t.st.Next()
		if err == io.EOF {
			return n, closeWrite(t.conn)
		}
		if err != nil {
			return n, err
		}
		m, err := t.conn.Write(b)
		n += int64(m)
		if err != nil {
			return n, fmt.Errorf("%w: write: %w", errClient, err)
		}
	}
}

// closeWrite ends the direction to the client; TLS has its own word for that.
func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		if err := c.CloseWrite(); err != nil {
			return fmt.Errorf("%w: half-close: %w", errClient, err)
		}
	}
	return nil
}
