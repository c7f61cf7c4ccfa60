package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

const (
	// gatherTime is how long the head of a response, and the first bytes of its
	// body, may wait for more, so that a small response is one message: most
	// servers write head, body and end within some 50 us of each other.
	gatherTime = 500 * time.Microsecond
	// announcedFactor multiplies gatherTime for a response that has announced its
	// length: the rest of it is on its way. A timer this far ahead is almost free.
	// A short one wakes the runtime's network poller each time, which cost a small
	// request two system calls and the wake-up of a thread.
	announcedFactor = 100
	// maxGathered is how many bytes may wait: a message's payload.
	maxGathered = subjects.MaxPayload
)

// begin sends the head of a response. It reports true if it has sent all of the
// response, which it does if that is small and arrives soon.
func (h *Handler) begin(ctx context.Context, x *exchange, resp *http.Response) (whole bool, err error) {
	w := gatherers.Get().(*gatherer)
	defer w.release()
	w.stream = x.stream
	h.up.RelativizeLocations(resp.Header)
	head := responseHead(resp)
	if w.buf, err = subjects.AppendResponseHead(w.buf[:0], &head); err != nil {
		return false, badResponse(err)
	}
	w.ready = len(w.buf)
	switch {
	case x.head.Method == http.MethodHead || resp.Body == http.NoBody:
		whole, err = true, finishWhole(ctx, x.stream, w.buf, nil)
	case w.ready >= maxGathered || head.ContentLength > maxGathered || subjects.IsLong(x.head.Method, x.head.Target):
		err = w.flush() // a large body gains nothing from waiting, and an idle one must occupy no buffer
	case head.ContentLength >= 0:
		whole, err = w.gather(ctx, resp, announcedFactor*h.gatherTime)
	default:
		whole, err = w.gather(ctx, resp, h.gatherTime)
	}
	h.metrics.down.Add(float64(w.ready))
	return whole, err
}

// gatherer collects the beginning of a response into one message. Gatherers are
// pooled with their buffers and timers.
type gatherer struct {
	mu      sync.Mutex // guards all below against the timer
	stream  *stream.Stream
	buf     []byte // head, then body
	ready   int    // bytes of buf that may be sent
	sent    int    // bytes of buf that were sent
	waiting bool   // the timer may send
	timer   *time.Timer
}

var gatherers = sync.Pool{New: func() any {
	w := &gatherer{buf: make([]byte, 0, maxGathered)}
	// A timer that fires late, for an earlier response, sends what the next one
	// has ready a little early, which is harmless.
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	return w
}}

func (w *gatherer) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		w.waiting = false
		_ = w.flush() // an error is found again by the next write
	}
}

// flush sends what is ready.
func (w *gatherer) flush() error {
	if w.sent == w.ready {
		return nil
	}
	_, err := w.stream.Write(w.buf[w.sent:w.ready])
	w.sent = w.ready
	return err
}

// gather reads the body until limit has passed or one message is full. It
// reports true when it has sent the whole response. Otherwise it has sent the bytes
// that it has read.
func (w *gatherer) gather(ctx context.Context, resp *http.Response, limit time.Duration) (whole bool, err error) {
	w.mu.Lock()
	w.waiting = true
	w.mu.Unlock()
	w.timer.Reset(limit)
	space := w.buf[:cap(w.buf)]
	for at := w.ready; ; {
		n, rerr := resp.Body.Read(space[at:]) // beyond ready, where the timer does not read
		at += n
		w.mu.Lock()
		w.buf, w.ready = space[:at], at
		expired := !w.waiting
		if rerr != nil || expired || at == len(space) {
			w.waiting = false
			w.mu.Unlock()
			w.timer.Stop()
			switch {
			case errors.Is(rerr, io.EOF):
				return true, finishWhole(ctx, w.stream, w.buf[w.sent:], resp)
			case rerr != nil:
				_ = w.flush() // the bytes before the break
				return false, readError(ctx, w.stream, rerr)
			}
			return false, w.flush()
		}
		w.mu.Unlock()
	}
}

func (w *gatherer) release() {
	w.mu.Lock()
	w.waiting, w.stream, w.ready, w.sent = false, nil, 0, 0
	if cap(w.buf) > maxGathered { // a large head made it grow
		w.buf = make([]byte, 0, maxGathered)
	}
	w.mu.Unlock()
	gatherers.Put(w)
}
