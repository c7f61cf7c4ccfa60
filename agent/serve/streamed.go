package serve

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/subjects"
)

// streamedBody is the body of a request while it arrives. net/http reads it
// through an [attempt], and through another one if it sends the request again,
// which it does only if the server has not executed it: see replay.go. For that,
// the bytes read so far are kept until the response's head has arrived, if the
// body's length is known and memory allows.
type streamedBody struct {
	arriving
	up       *upstream.Client
	seen     uint64 // up.ProtocolResets when the request was made
	harmless bool

	reading sync.Mutex // held by the attempt that reads what has not been read yet

	mu       sync.Mutex // guards all below; taken after reading
	read     bool       // bytes were read
	kept     keptBytes
	current  *attempt
	answered bool // the response's head has arrived: nothing is sent again
}

// attempt is a reader of a streamedBody from its beginning.
type attempt struct {
	body   *streamedBody
	at     int64 // offset; guarded by body.mu
	closed bool  // likewise
}

// Read implements [io.Reader]. It returns io.EOF only for a body that is whole.
func (a *attempt) Read(p []byte) (int, error) {
	b := a.body
	if n, err := a.readKept(p); n > 0 || err != nil || len(p) == 0 {
		return n, err
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	// An earlier attempt may have read on meanwhile.
	if n, err := a.readKept(p); n > 0 || err != nil {
		return n, err
	}
	n, err := b.arriving.read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 {
		b.read = true
		a.at += int64(n)
		if !b.answered {
			b.kept.add(p[:n])
		}
	}
	if a.closed && errors.Is(err, os.ErrDeadlineExceeded) { // see Close
		err = io.ErrClosedPipe
	}
	return n, err
}

// readKept reads what an earlier attempt has read.
func (a *attempt) readKept(p []byte) (n int, err error) {
	b := a.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.closed {
		return 0, io.ErrClosedPipe
	}
	if a.at < b.kept.size {
		n = b.kept.copyAt(p, a.at)
		a.at += int64(n)
	}
	b.dropUnneeded()
	return n, nil
}

// Close implements [io.Closer]. It ends a Read that waits. Once the response's
// head has arrived, it tells the bridge that no more of the body is wanted;
// before that, another attempt may want it.
func (a *attempt) Close() error {
	b := a.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	if b.answered {
		b.stream.StopReading()
	} else {
		_ = b.stream.SetReadDeadline(time.Unix(1, 0)) // long past
	}
	return nil
}

// again returns a reader from the body's beginning. net/http calls it when it is
// about to send the request again.
func (b *streamedBody) again() (io.ReadCloser, error) {
	if !b.harmless && b.up.ProtocolResets() != b.seen {
		return nil, errMayHaveRun
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read && b.kept.budget == nil {
		if b.harmless { // net/http also sends these again when they may have been executed
			return nil, errMayHaveRun
		}
		return nil, fault.Newf(subjects.CodeUpstreamRefused,
			"the API server closed its connection or refused the request while the body was being sent")
	}
	b.current.closed = true
	b.current = &attempt{body: b}
	_ = b.stream.SetReadDeadline(time.Time{})
	return b.current, nil
}

// answer notes that the response's head has arrived.
func (b *streamedBody) answer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = true
	if b.current.closed {
		b.stream.StopReading()
	}
	b.dropUnneeded()
}

// dropUnneeded drops bytes that no attempt will read. The caller holds mu.
func (b *streamedBody) dropUnneeded() {
	if b.answered && (b.current.closed || b.current.at >= b.kept.size) {
		b.kept.drop()
	}
}

// release gives the memory back when the exchange is over.
func (b *streamedBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = true // nothing is kept from now on
	b.kept.drop()
}
