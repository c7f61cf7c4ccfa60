package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/parting"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// duplex is an upgraded connection and its stream. Two goroutines copy, one in each
// direction. The connection's deadlines end them:
//
//	what happened                     reading the client       writing to it          the stream
//	the client half-closed            over                     goes on                its writing is closed
//	the client's connection broke     over                     fails                  reset (canceled)
//	the API server half-closed        goes on                  half-closed            goes on
//	the API server wants no more      read and dropped         goes on                goes on
//	both of the last two              dropped for linger       over                   ended
//	the stream broke                  ended at once (drop)     over                   ended
//	ctx ended (cut)                   ended with the stream    fails after linger     reset (canceled)
//	it ends in order (parting)        dropped for linger       last frames, half-close  reset
//	the tap failed (dismiss)          dropped for linger       farewell, half-close     reset (canceled)
//
// When the stream breaks or ctx ends, the connection is broken too, after the bytes
// that arrived before ([socket.CloseBroken]).
type duplex struct {
	conn net.Conn
	st   *stream.Stream
	// usage bounds the bytes of both directions.
	usage *limit.Usage
	// frames follows the frames of the upgraded protocol; nil: it is not known.
	frames parting.Framing
	// refusal returns why the request may not run any more, if that is why the stream
	// ended with broke; nil: it is not. It is never called concurrently.
	refusal   func(broke error) *answer.Failure
	requestID string
	// tap sees what is copied; nil: nothing does.
	tap Tap
	// tcp is the TCP connection below conn; nil: it is not known.
	tcp net.Conn
	// over is closed when nothing is read from the client any more.
	over chan struct{}
	// reading: the client's connection is being read, which notices when it breaks.
	reading atomic.Bool

	mu     sync.Mutex // guards what follows, and the read deadline
	sent   bool       // nothing more is sent to the client
	unread bool       // what the client sends is dropped
	broken bool       // the connection is being broken
	// last is what ends the connection in order, though the API server's stream
	// continues; nil: nothing does.
	last []byte
	// dismissed is why the tap ends the connection; nil: it does not.
	dismissed error
}

// run copies both ways. buffered has bytes that were read from the connection
// before. After an error the connection is broken when run returns; ctx bounds how
// long that may take.
func (d *duplex) run(ctx context.Context, buffered *bufio.Reader) (received, sent int64, err error) {
	up := make(chan error, 1)
	d.over = make(chan struct{})
	go func() {
		defer close(d.over)
		n, err := d.fromClient(buffered)
		received = n
		up <- err
	}()
	// Reading from the client must end when the stream ends while no goroutine uses
	// it, and when the API server accepts no more bytes.
	unwatch := context.AfterFunc(d.st.Context(), d.interrupt)
	defer unwatch()
	defer d.pollClient()()
	sent, err = d.toClient(ctx)
	if errors.Is(err, errClient) {
		d.st.Reset(subjects.CodeCanceled, errClient.Error())
	}
	if err == nil {
		d.note(&d.sent)
	} else {
		d.drop()
	}
	upErr := <-up
	if err == nil || errors.Is(upErr, errClient) { // which broke the stream
		err = upErr
	}
	switch {
	case err == nil:
	case errors.Is(err, errClient):
		socket.Abort(d.conn)
	default:
		d.drop()
		socket.CloseBroken(ctx, d.conn)
	}
	if cause := d.wasDismissed(); cause != nil {
		err = cause
	}
	return received, sent, err
}

// fromClient copies what the client sends until it half-closes.
func (d *duplex) fromClient(buffered *bufio.Reader) (n int64, err error) {
	if k := buffered.Buffered(); k > 0 {
		b, _ := buffered.Peek(k)
		if err = d.usage.Take(d.st.Context(), k); err == nil {
			err = d.show(b)
		}
		if err == nil {
			var m int
			m, err = d.st.Write(b)
			n += int64(m)
		}
		if err != nil {
			return n, d.unwanted(err)
		}
	}
	m, err := d.st.ReadFrom(d.usage.Reader(d.st.Context(), clientReader{d}))
	n += m
	if err == nil {
		if err = d.st.CloseWrite(); err == nil {
			return n, nil
		}
		return n, d.unwanted(err)
	}
	if cause := context.Cause(d.st.Context()); cause != nil {
		return n, d.unwanted(cause)
	}
	d.st.Reset(subjects.CodeCanceled, errClient.Error())
	return n, fmt.Errorf("%w: read: %w", errClient, err)
}

// toClient copies what the API server sends until it half-closes.
func (d *duplex) toClient(ctx context.Context) (n int64, err error) {
	for {
		b, err := d.st.Next()
		if err == io.EOF {
			return n, d.closeWrite()
		}
		if err == nil {
			b, err = d.let(ctx, b)
		}
		if err != nil && d.wasDismissed() != nil {
			m, err := d.sayFarewell(b)
			return n + m, err
		}
		if err != nil {
			if last := d.parting(err); last != nil {
				return n, d.close(last, d.frames.Patience())
			}
			return n, err
		}
		m, err := d.conn.Write(b)
		n += int64(m)
		if err != nil {
			return n, fmt.Errorf("%w: write: %w", errClient, err)
		}
		if d.frames != nil {
			d.frames.Pass(b)
		}
	}
}

// unwanted handles a stream that accepts no more bytes from the client. An API
// server that stopped reading has not ended the connection, nor has a drain. The
// bytes that the client still sends are read and dropped: closing a connection with
// unread bytes would destroy those on their way to the client.
func (d *duplex) unwanted(err error) error {
	if !errors.Is(err, stream.ErrStopped) && !errors.Is(err, context.Canceled) && !d.parts(err) && d.wasDismissed() == nil {
		return err
	}
	d.note(&d.unread)
	_, _ = io.Copy(io.Discard, d.conn)
	return nil
}

// interrupt ends the reading from the client, unless its bytes are being dropped
// already.
func (d *duplex) interrupt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.unread && !d.broken {
		_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// drop ends the reading from the client for good: the connection is being broken.
func (d *duplex) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = true
	_ = d.conn.SetReadDeadline(time.Unix(1, 0))
}

// cut ends both directions, even to a client that does not read.
func (d *duplex) cut(cause error) {
	_ = d.conn.SetWriteDeadline(time.Now().Add(socket.Linger))
	d.st.Reset(subjects.CodeCanceled, cause.Error())
}

// part ends the connection in order with last, where what the client has been sent
// so far allows it. A client that does not read gets no more than cut allows.
func (d *duplex) part(last []byte, cause error) {
	d.mu.Lock()
	if d.last == nil {
		d.last = last
	}
	d.mu.Unlock()
	d.cut(cause)
}

// parts reports whether the client may be told why the connection ends, as the stream
// has ended with broke.
func (d *duplex) parts(broke error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last != nil || d.frames != nil && d.refusal(broke) != nil
}

// parting returns what ends the connection in order; nil: nothing does. It is called by
// the goroutine that writes to the client.
func (d *duplex) parting(broke error) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frames == nil || !d.frames.Between() {
		return nil
	}
	if d.last == nil {
		if f := d.refusal(broke); f != nil {
			d.last = d.frames.Last(f, d.requestID)
		}
	}
	return d.last
}

// close says in the upgraded protocol that the connection ends, and lets the client end it
// itself for a while.
func (d *duplex) close(last []byte, patience time.Duration) error {
	if _, err := d.conn.Write(last); err != nil {
		return fmt.Errorf("%w: write: %w", errClient, err)
	}
	if patience > 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-d.over:
		case <-t.C:
		}
	}
	return d.closeWrite()
}

// closeWrite ends the direction to the client.
func (d *duplex) closeWrite() error {
	if err := socket.CloseWrite(d.conn); err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

// note sets a flag of d. Once no more is sent to the client and its bytes are
// dropped, the client has socket.Linger to close its side; before that its time is
// unlimited.
func (d *duplex) note(what *bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*what = true
	switch {
	case d.broken:
	case d.unread && d.sent:
		_ = d.conn.SetReadDeadline(time.Now().Add(socket.Linger))
	case d.unread:
		_ = d.conn.SetReadDeadline(time.Time{})
	}
}
