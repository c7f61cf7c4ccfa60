package limit

import (
	"context"
	"io"
)

// Take waits until n bytes of the request's or the response's body may pass. It
// returns the cause of ctx's end if that comes first. It costs nothing where bytes are
// not limited.
func (u *Usage) Take(ctx context.Context, n int) error {
	if !u.Metered() {
		return nil
	}
	for _, s := range &u.scopes {
		if s == nil {
			continue
		}
		if err := s.pipe.take(ctx, u.scopes[ofCaller], int64(n)); err != nil {
			return err
		}
	}
	return nil
}

// Metered reports whether bytes were limited when the request was let in.
func (u *Usage) Metered() bool { return u != nil && u.metered }

// Reader returns a reader of r whose bytes pass as Take lets them; r itself where
// bytes are not limited.
func (u *Usage) Reader(ctx context.Context, r io.Reader) io.Reader {
	if !u.Metered() {
		return r
	}
	return &reader{ctx: ctx, r: r, usage: u}
}

type reader struct {
	ctx   context.Context
	r     io.Reader
	usage *Usage
}

// Read implements [io.Reader]. Bytes that were read when ctx ends are lost.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if n > 0 {
		if ended := r.usage.Take(r.ctx, n); ended != nil {
			return 0, ended
		}
	}
	return n, err
}
