package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

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
//	a drain, of a watch (leave)       dropped for linger       close frame, half-close  reset (canceled)
//
// When the stream breaks or ctx ends, the connection is broken too, after the bytes
// that arrived before ([socket.CloseBroken]).
type duplex struct {
	conn net.Conn
	st   *stream.Stream
	// frames follows the frames that are sent to the client of a watch; nil: it is
	// not a watch.
	frames *webSocketFrames

	mu      sync.Mutex // guards what follows, and the read deadline
	sent    bool       // nothing more is sent to the client
	unread  bool       // what the client sends is dropped
	broken  bool       // the connection is being broken
	leaving bool       // the connection ends in order, though the API server's stream continues
}

// run copies both ways. buffered has bytes that were read from the connection
// before. After an error the connection is broken when run returns; ctx bounds how
// long that may take.
func (d *duplex) run(ctx context.Context, buffered *bufio.Reader) (received, sent int64, err error) {
	up := make(chan error, 1)
	go func() {
		n, err := d.fromClient(buffered)
		received = n
		up <- err
	}()
	// Reading from the client must end when the stream ends while no goroutine uses
	// it, and when the API server accepts no more bytes.
	unwatch := context.AfterFunc(d.st.Context(), d.interrupt)
	defer unwatch()
	sent, err = d.toClient()
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
	return received, sent, err
}

// fromClient copies what the client sends until it half-closes.
func (d *duplex) fromClient(buffered *bufio.Reader) (n int64, err error) {
	if k := buffered.Buffered(); k > 0 {
		b, _ := buffered.Peek(k)
		m, err := d.st.Write(b)
		n += int64(m)
		if err != nil {
			return n, d.unwanted(err)
		}
	}
	m, err := d.st.ReadFrom(d.conn)
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
func (d *duplex) toClient() (n int64, err error) {
	for {
		b, err := d.st.Next()
		if err == io.EOF {
			return n, d.closeWrite()
		}
		if err != nil && d.isLeaving() && d.frames.between() {
			return n, d.goAway()
		}
		if err != nil {
			return n, err
		}
		m, err := d.conn.Write(b)
		n += int64(m)
		if err != nil {
			return n, fmt.Errorf("%w: write: %w", errClient, err)
		}
		if d.frames != nil {
			d.frames.pass(b)
		}
	}
}

// unwanted handles a stream that accepts no more bytes from the client. An API
// server that stopped reading has not ended the connection, nor has a drain. The
// bytes that the client still sends are read and dropped: closing a connection with
// unread bytes would destroy those on their way to the client.
func (d *duplex) unwanted(err error) error {
	if !errors.Is(err, stream.ErrStopped) && !errors.Is(err, context.Canceled) && !d.isLeaving() {
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
	d.st.Reset(subjects.CodeCanceled, cause.Error())
	_ = d.conn.SetWriteDeadline(time.Now().Add(socket.Linger))
}

// leave ends the connection in order, if the bytes sent to the client so far end
// between two frames.
func (d *duplex) leave() {
	d.mu.Lock()
	d.leaving = true
	d.mu.Unlock()
	d.st.Reset(subjects.CodeCanceled, ErrStopping.Error())
}

func (d *duplex) isLeaving() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaving
}

// goAway ends the connection in order, by a close frame of the upgraded protocol.
func (d *duplex) goAway() error {
	_ = d.conn.SetWriteDeadline(time.Now().Add(socket.Linger))
	if _, err := d.conn.Write(goingAway); err != nil {
		return fmt.Errorf("%w: write: %w", errClient, err)
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
