package fleet

import (
	"context"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Bounds of the memory of a fleet call, in bytes.
const (
	// freeBytes of a body are read before it needs a share of the pool: most responses are
	// smaller, and never wait.
	freeBytes = 64 << 10
	// poolBytes is what the larger bodies of a call may take together: two of the largest.
	poolBytes = 32 << 20
)

// pool is memory that bodies share. It is first come, first served, so that a large body
// waits for smaller ones but not for ever.
type pool struct{ free *semaphore.Weighted }

func newPool() *pool { return &pool{free: semaphore.NewWeighted(poolBytes)} }

// take takes n bytes, at most poolBytes, and returns what gives them back. The error is
// ctx's cause.
func (p *pool) take(ctx context.Context, n int64) (give func(), err error) {
	if err := p.free.Acquire(ctx, n); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { p.free.Release(n) }, nil
}

// source is a body that is read as it comes.
type source interface {
	// Next returns the next bytes, which are valid until the next call, and io.EOF at the
	// end.
	Next() ([]byte, error)
}

// errTooLarge is the failure of a response whose body is over a bound.
func errTooLarge(most int64) *answer.Failure {
	return answer.Failf(answer.ResponseTooLarge, "the response is larger than %d bytes, which is what maxResponseBytes allows; larger ones can be read under /k8s", most)
}

// readBody reads a body of at most most bytes; length is what it is said to have, -1 if
// that is unknown. The clock stands still while it waits for memory. give gives its memory
// back, and is nil after an error.
func (p *pool) readBody(ctx context.Context, from source, length, most int64, clock *clock) (body []byte, give func(), err error) {
	if length > most {
		return nil, nil, errTooLarge(most)
	}
	give = func() {}
	grown := false
	for {
		next, err := from.Next()
		if err == io.EOF {
			return body, give, nil
		}
		size := int64(len(body) + len(next))
		if err == nil && size > most {
			err = errTooLarge(most)
		}
		if err == nil && size > freeBytes && !grown {
			grown = true
			whole := most
			if length >= size {
				whole = length
			}
			var taken func()
			clock.stop()
			taken, err = p.take(ctx, whole)
			clock.start()
			if err == nil {
				give = taken
				body = append(make([]byte, 0, whole), body...)
			}
		}
		if err != nil {
			give()
			return nil, nil, err
		}
		body = append(body, next...)
	}
}
