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

// duplex is an upgraded connection and its stream. Two goroutines copy, one each
// way; they, and what ends them, meet in the connection's deadlines:
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
// A stream that broke breaks the connection, behind the bytes that came before
// ([socket.CloseBroken]); so does ctx's end.
type duplex struct {
	conn net.Conn
	st   *stream.Stream
	// frames follows what is sent to the client of a watch; nil: none.
	frames *webSocketFrames

	mu      sync.Mutex // guards what follows, and the read deadline
	sent    bool       // nothing more is sent to the client
	unread  bool       // what the client sends is dropped
	broken  bool       // the connection is being broken off
	leaving bool       // the connection ends well, though the API server's stream continues
}

// run copies both ways. buffered is what was read of the connection already. On
// an error the connection is broken off when it returns; ctx bounds how long
// that may take.
func (d *duplex) run(ctx context.Context, buffered *bufio.Reader) (received, sent int64, err error) {
	up := make(chan error, 1)
	go func() {
		n, err := d.fromClient(buffered)
		received = n
		up <- err
	}()
	// A stream that ends while no goroutine reads it, and an API server that wants
	// no more bytes, must end the reading from the client.
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

// unwanted deals with a stream that takes no more of the client's bytes. An API
// server that stopped reading has not ended the connection, nor has a drain: what
// the client still sends is read and dropped, since closing a connection with
// unread bytes would take away what is on its way to the client.
func (d *duplex) unwanted(err error) error {
	if !errors.Is(err, stream.ErrStopped) && !errors.Is(err, context.Canceled) && !d.isLeaving() {
		return err
	}
	d.note(&d.unread)
	_, _ = io.Copy(io.Discard, d.conn)
	return nil
}

// interrupt ends the reading from the client, unless it is already known that
// what it sends is to be dropped.
func (d *duplex) interrupt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.unread && !d.broken {
		_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// drop ends the reading from the client for good: the connection is broken off.
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

// leave ends the connection well, if what was sent to the client so far can end
// there.
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

// goAway says in the upgraded protocol that the connection ends well.
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

// note notes what has become of a direction. Once nothing more is sent to the
// client and what it sends is dropped, it gets a moment to close its side;
// before, it has all the time it wants.
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
