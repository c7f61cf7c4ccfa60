package endpoint

import (
	"io"
	"net/http"
	"sync"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

const (
	// maxBodies bounds, in bytes, what is counted of the bodies of all requests of a bridge
	// together.
	maxBodies = 256 << 20
	// SmallBody is the size in bytes up to which [Bodies.ReadJSON] does not count a body.
	SmallBody = 64 << 10
)

// Bodies bounds the bodies in memory of all requests together: each is there from the
// moment at which it begins to arrive until its request has ended. No caller gets more than
// it leaves for the others, so that one with many bodies stops no other. It is safe for
// concurrent use; the zero value is ready.
type Bodies struct {
	mu    sync.Mutex
	taken int64
	of    map[string]int64 // by caller, without zeros
}

// Share is what the body of one request takes. It is used by one goroutine. nil takes
// nothing.
type Share struct {
	from   *Bodies
	caller string
	n      int64
}

// CallerOf tells callers apart.
func CallerOf(rec *answer.Record) string { return rec.Issuer + " " + rec.Method + " " + rec.Caller }

// Take takes the share of a body of so many bytes, [SmallBody] at least. n may be -1, of a
// body whose size is not known yet: it takes as much as the largest one.
func (b *Bodies) Take(caller string, n, largest int64) (*Share, *answer.Failure) {
	if n < 0 || n > largest {
		n = largest
	}
	n = max(n, SmallBody)
	b.mu.Lock()
	defer b.mu.Unlock()
	own, free := b.of[caller]+n, maxBodies-b.taken-n
	if own > free {
		return nil, answer.Failf(answer.RateLimited, "the caller's requests that are running have bodies of %d KiB together, those of others %d KiB; with one of %d KiB more the caller would have more than is left of %d MiB; nothing was executed",
			b.of[caller]>>10, (b.taken-b.of[caller])>>10, n>>10, maxBodies>>20)
	}
	if b.of == nil {
		b.of = map[string]int64{}
	}
	b.taken += n
	b.of[caller] += n
	return &Share{b, caller, n}, nil
}

// Keep gives back all but what a body of n bytes takes.
func (s *Share) Keep(n int64) {
	if s != nil {
		s.give(s.n - min(s.n, max(n, SmallBody)))
	}
}

// End gives everything back. It may be called again.
func (s *Share) End() {
	if s != nil {
		s.give(s.n)
	}
}

func (s *Share) give(n int64) {
	b := s.from
	b.mu.Lock()
	defer b.mu.Unlock()
	s.n -= n
	b.taken -= n
	if b.of[s.caller] -= n; b.of[s.caller] == 0 {
		delete(b.of, s.caller)
	}
}

// ReadJSON is [ReadJSON] with a share of b, which is the request's until the caller of
// ReadJSON ends it. A body of up to [SmallBody] has none; one whose size is not known takes
// its share when more of it has arrived.
func (b *Bodies) ReadJSON(w http.ResponseWriter, r *http.Request, caller string, v any, limit int64, example string) (*Share, *answer.Failure) {
	in := &counted{ReadCloser: r.Body, bodies: b, caller: caller, largest: limit}
	if n := r.ContentLength; n > SmallBody {
		if n > limit {
			return nil, tooLarge(limit)
		}
		if in.share, in.failure = b.Take(caller, n, limit); in.failure != nil {
			return nil, in.failure
		}
	}
	again := *r
	again.Body = in
	f := ReadJSON(w, &again, v, limit, example)
	if in.failure != nil {
		f = in.failure
	}
	if f != nil {
		in.share.End()
		return nil, f
	}
	in.share.Keep(in.n)
	return in.share, nil
}

// counted is a body that takes its share as soon as it is not a small one.
type counted struct {
	io.ReadCloser
	bodies  *Bodies
	caller  string
	largest int64
	n       int64 // bytes that were read
	share   *Share
	failure *answer.Failure // there was none to take
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	if c.share == nil && c.n > SmallBody {
		if c.share, c.failure = c.bodies.Take(c.caller, -1, c.largest); c.failure != nil {
			return 0, c.failure
		}
	}
	return n, err
}
