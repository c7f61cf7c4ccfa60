package load

import (
	"errors"
	"io"
	"time"
)

// conn makes requests, one after the other, for one goroutine at a time. Only Close may be
// called beside the others.
type conn interface {
	// send sends a request and receives the head of its answer, which must be a 200.
	send(r *request) error
	// Read reads the answer's body. After Close it fails with [net.ErrClosed].
	io.ReadCloser
	// SetDeadline says when send and Read fail.
	SetDeadline(t time.Time) error
	// reusable reports whether another request may follow: the answer has been read to its
	// end.
	reusable() bool
	// park leaves the answer open without a deadline, to be closed and not to be read.
	park()
}

// exchange sends a request and receives the whole answer, whose length it returns.
func exchange(k conn, r *request, scratch []byte) (n int64, err error) {
	if err := k.send(r); err != nil {
		return 0, err
	}
	for {
		m, err := k.Read(scratch)
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
