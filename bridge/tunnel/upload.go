package tunnel

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// upload copies a request's body to its stream while the response is relayed.
type upload struct {
	r     *http.Request
	usage *limit.Usage // bounds the bytes that are copied
	rc    *http.ResponseController
	bytes atomic.Int64 // read from the client
	// consumed: the body's end has been read from the client.
	consumed atomic.Bool
	done     chan struct{} // nil until started

	mu     sync.Mutex
	cond   sync.Cond // on mu: st or closed has changed
	st     *stream.Stream
	moved  bool // bytes of the body were given to a stream
	closed bool // the body is no longer wanted

	watchdog *time.Timer // polls the client's connection; nil: not watched
}

// newUpload prepares the copying of r's body. It must be called before the body is
// read and before a response is written.
func newUpload(w http.ResponseWriter, r *http.Request, usage *limit.Usage) *upload {
	u := &upload{r: r, usage: usage, rc: http.NewResponseController(w)}
	u.cond.L = &u.mu
	// Without it net/http reads the whole body before it sends a response on
	// HTTP/1. HTTP/2 does not need it, and the recorders of tests do not support it.
	_ = u.rc.EnableFullDuplex()
	return u
}

// attach makes st the stream that the body is copied to.
func (u *upload) attach(st *stream.Stream) {
	u.mu.Lock()
	u.st = st
	u.mu.Unlock()
	u.cond.Signal()
	if u.done == nil {
		u.done = make(chan struct{})
		go u.run()
	}
}

// rewind detaches the stream so that another can be attached. It reports false if
// bytes of the body have been written to the stream: they cannot be read again.
func (u *upload) rewind() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.moved {
		return false
	}
	u.st = nil
	return true
}

// stop ends the copying, closes the stream if it has not ended, and waits until the
// copying has ended.
func (u *upload) stop() {
	u.mu.Lock()
	u.closed = true
	if u.watchdog != nil {
		u.watchdog.Stop()
	}
	st := u.st
	u.mu.Unlock()
	if st != nil {
		_ = st.Close()
	}
	if u.done == nil {
		return
	}
	u.cond.Signal()
	if !u.consumed.Load() {
		// Reading on for a while keeps a TCP reset from destroying the response; on
		// HTTP/2 there is no such danger.
		until := time.Now()
		if u.r.ProtoMajor == 1 {
			until = until.Add(socket.Linger)
		}
		_ = u.rc.SetReadDeadline(until)
	}
	<-u.done
}

func (u *upload) run() {
	defer close(u.done)
	// The first bytes wait for a stream that takes them; the rest is read
	// straight into frames.
	b := buffers.Get().(*[]byte)
	defer putBuffer(b)
	first := (*b)[:cap(*b)]
	n, err := u.Read(first)
	st := u.commit()
	if st == nil {
		u.drop(err)
		return
	}
	var werr error
	if n > 0 {
		if werr = u.usage.Take(st.Context(), n); werr == nil {
			_, werr = st.Write(first[:n])
		}
	}
	if err == nil && werr == nil {
		r := &bodyReader{u: u}
		_, werr = st.ReadFrom(u.usage.Reader(st.Context(), r))
		err = r.err
	}
	switch {
	case err == io.EOF:
		u.finish(st)
	case err != nil:
		// The API server must not mistake a part of the body for all of it.
		if u.r.Context().Err() != nil {
			st.Reset(subjects.CodeCanceled, "the caller went away")
		} else {
			st.Reset(subjects.CodeBadRequest, fmt.Sprintf("request body: %v", err))
		}
	case werr != nil: // the stream has ended, or the API server accepts no more
		u.drop(nil)
	}
}

// bodyReader remembers the error that ended the body, which ReadFrom's result
// mixes with the stream's own.
type bodyReader struct {
	u   *upload
	err error
}

func (r *bodyReader) Read(p []byte) (int, error) {
	n, err := r.u.Read(p)
	r.err = err
	return n, err
}

// Read reads from the client.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.r.Body.Read(p)
	u.bytes.Add(int64(n))
	if err == io.EOF {
		u.consumed.Store(true)
	}
	return n, err
}

// commit waits for a stream to write to. It returns nil if the body is no longer
// wanted. Afterwards rewind fails.
func (u *upload) commit() *stream.Stream {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.st == nil && !u.closed {
		u.cond.Wait()
	}
	if u.closed {
		return nil
	}
	u.moved = true
	return u.st
}

// finish sends the end of the body, with its trailer.
func (u *upload) finish(st *stream.Stream) {
	if len(u.r.Trailer) == 0 {
		_ = st.CloseWrite()
		return
	}
	for k := range u.r.Trailer {
		if dropRequest(k) {
			delete(u.r.Trailer, k)
		}
	}
	b, err := subjects.AppendTrailer(nil, u.r.Trailer)
	if err != nil {
		st.Reset(subjects.CodeTooLarge, err.Error())
		return
	}
	_ = st.CloseWriteTrailer(b)
}

// drop reads and discards a bounded part of the rest of the body, unless reading has
// failed.
func (u *upload) drop(err error) {
	if err == nil {
		_, _ = io.CopyN(io.Discard, u, lingerBytes)
	}
}
