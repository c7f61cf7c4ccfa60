package audit

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Request is one request that the log follows. It implements [answer.Trail], and is
// used by the request's handler alone, until [Followed.End].
type Request struct {
	// use changes when the request ends: a Request is used again for others.
	use       atomic.Uint64
	log       *Log
	r         *http.Request
	rec       *answer.Record
	id        [32]byte // hexadecimal
	userAgent string
	upgrade   bool
}

// Admitted implements [answer.Trail]. Where audit is required, it writes the event of
// stage RequestReceived and waits for it: until it is with the operating system for a
// read, so that it outlives the bridge, and until it is on the disk for a request that
// changes something or upgrades, so that it outlives the host.
func (q *Request) Admitted(ctx context.Context) *answer.Failure {
	if !q.log.required || !q.wanted() {
		return nil
	}
	if err := q.commit(ctx, StageReceived, q.upgrade || !q.isRead()); err != nil {
		return answer.Failf(answer.AuditUnavailable, "the request was not executed, because its audit event could not be written: %w", withoutPath(err))
	}
	return nil
}

// withoutPath is an error without the name of the bridge's file, which is not for
// callers.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// Started implements [answer.Trail].
func (q *Request) Started() {
	if q.wanted() {
		q.write(StageStarted)
	}
}

// Followed ends a [Request], which may be another one's by then. The zero value does
// nothing. It is safe for concurrent use.
type Followed struct {
	request *Request
	use     uint64
}

// End writes the event of stage ResponseComplete. The record must be complete. Only the
// first call does anything.
func (f Followed) End() {
	q := f.request
	if q == nil || !q.use.CompareAndSwap(f.use, f.use+1) {
		return
	}
	if q.wanted() {
		q.write(StageComplete)
	}
	q.rec.Trail = nil
	q.log, q.r, q.rec, q.id, q.userAgent, q.upgrade = nil, nil, nil, [32]byte{}, "", false
	requests.Put(q)
}

// write writes an event of something that has happened. Where audit is required it
// waits, so that the caller of a short request does not have the whole response before
// the event is with the operating system.
func (q *Request) write(stage Stage) {
	if q.log.required {
		// The request may have ended because its context did. An error is logged and
		// counted by the queue.
		_ = q.commit(context.WithoutCancel(q.r.Context()), stage, false)
		return
	}
	b := buffers.Get().(*[]byte)
	*b = q.append((*b)[:0], stage, time.Now())
	q.log.add(*b)
	buffers.Put(b)
}

func (q *Request) commit(ctx context.Context, stage Stage, sync bool) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = q.append((*b)[:0], stage, time.Now())
	return q.log.commit(ctx, *b, sync)
}

// wanted reports whether the request has events, as far as is known yet. What nobody
// has to authenticate for, such as a probe of a load balancer, has none.
func (q *Request) wanted() bool {
	failed := q.rec.Failure != nil || q.rec.UpstreamStatus() >= http.StatusBadRequest
	if q.rec.Caller == "" && q.rec.Failure == nil {
		return false
	}
	if q.log.reads || failed || q.upgrade {
		return true
	}
	info := q.info()
	return !q.isRead() || info != nil && (isSession(info) || info.Resource == "secrets")
}

// isRead reports whether a request changes nothing, as an API server sees it.
func (q *Request) isRead() bool {
	if q.rec.Request == nil {
		return q.r.Method == http.MethodGet || q.r.Method == http.MethodHead
	}
	info := q.info()
	if info == nil {
		return false
	}
	switch info.Verb {
	case "get", "list", "watch", "head", "options":
		return !isSession(info) && info.Subresource != "proxy" // whose server may do anything
	}
	return false
}
