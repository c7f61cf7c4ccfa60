package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

const (
	// holdTime is how long the head of an answer, and the first bytes of its
	// body, may wait for more, so that a small answer is one message: most
	// servers write head, body and end within some 50 us of each other.
	holdTime = 500 * time.Microsecond
	// announcedHold is the same, as a multiple of holdTime, for an answer that
	// has announced its length: the rest of it is on its way. A timer this far
	// ahead is almost free. A short one wakes the runtime's network poller each
	// time, which cost a small request two system calls and a thread's wake-up.
	announcedHold = 100
	// maxHeld is how many bytes may wait: a message's payload.
	maxHeld = subjects.MaxPayload
)

// respond sends an ordinary answer: its head as soon as it is there, its body
// as it comes, its trailer.
func (h *Handler) respond(ctx context.Context, x *exchange, resp *http.Response) error {
	whole, err := h.begin(ctx, x, resp)
	if whole || err != nil {
		return err
	}
	if _, err := x.stream.ReadFrom(&counted{resp.Body, h.metrics.down}); err != nil {
		return readError(ctx, x.stream, err)
	}
	return finishWhole(ctx, x.stream, nil, resp)
}

// begin sends the head of an answer, and all of it if it is small and there.
func (h *Handler) begin(ctx context.Context, x *exchange, resp *http.Response) (whole bool, err error) {
	w := answers.Get().(*answer)
	defer w.release()
	w.stream = x.stream
	h.up.RelativizeLocations(resp.Header)
	head := responseHead(resp)
	if w.buf, err = subjects.AppendResponseHead(w.buf[:0], &head); err != nil {
		return false, badAnswer(err)
	}
	w.ready = len(w.buf)
	switch {
	case x.head.Method == http.MethodHead || resp.Body == http.NoBody:
		whole, err = true, finish(x.stream, w.buf, nil)
	case w.ready >= maxHeld || head.ContentLength > maxHeld || subjects.IsLong(x.head.Method, x.head.Target):
		err = w.flush() // a large body gains nothing from waiting, and an idle one holds no buffer
	case head.ContentLength >= 0:
		whole, err = w.gather(ctx, resp, announcedHold*h.hold)
	default:
		whole, err = w.gather(ctx, resp, h.hold)
	}
	h.metrics.down.Add(float64(w.ready))
	return whole, err
}

// finishWhole is finish for an answer that was read to its end. If the request
// was cancelled meanwhile, the end may be but the server's reaction to that.
func finishWhole(ctx context.Context, s *stream.Stream, rest []byte, resp *http.Response) error {
	if ctx.Err() != nil {
		return lost(ctx, context.Cause(ctx))
	}
	return finish(s, rest, resp)
}

// finish sends rest, the trailer of resp (which may be nil) and the end.
func finish(s *stream.Stream, rest []byte, resp *http.Response) error {
	if resp == nil || !hasTrailer(resp.Trailer) {
		return s.WriteFinal(rest)
	}
	trailer, err := subjects.AppendTrailer(nil, resp.Trailer)
	if err != nil {
		return badAnswer(err)
	}
	if len(rest) > 0 {
		if _, err := s.Write(rest); err != nil {
			return err
		}
	}
	return s.CloseWriteTrailer(trailer)
}

func hasTrailer(t http.Header) bool {
	for _, v := range t {
		if len(v) > 0 {
			return true
		}
	}
	return false
}

// responseHead makes the head of resp, whose header it takes over.
func responseHead(resp *http.Response) subjects.ResponseHead {
	hd := resp.Header
	if resp.StatusCode != http.StatusSwitchingProtocols {
		subjects.StripNamed(hd, hd["Connection"])
		for name := range hd {
			if name == "Trailer" || subjects.HopByHop(name) {
				delete(hd, name)
			}
		}
	}
	if len(resp.Trailer) > 0 { // announced: net/http has moved the names there
		names := make([]string, 0, len(resp.Trailer))
		for name := range resp.Trailer {
			names = append(names, name)
		}
		slices.Sort(names)
		hd["Trailer"] = []string{strings.Join(names, ", ")}
	}
	return subjects.ResponseHead{Status: resp.StatusCode, ContentLength: resp.ContentLength, Header: hd}
}

// badAnswer is the fault of a response that cannot be passed on. The request
// was executed.
func badAnswer(err error) error {
	return fault.Newf(subjects.CodeUpstream, "answer of API server: %w", err)
}

// readError tells apart what ReadFrom met: the stream's end, or the API server's.
func readError(ctx context.Context, s *stream.Stream, err error) error {
	if s.Err() != nil || errors.Is(err, stream.ErrStopped) {
		return err
	}
	return lost(ctx, fmt.Errorf("read answer: %w", err))
}

// lost is the fault of a response that broke off with err.
func lost(ctx context.Context, err error) error {
	if f := fault.Interrupted(ctx); f != nil {
		return f
	}
	if f := fault.In(err); f != nil { // of the request's body
		return f
	}
	return fault.Newf(subjects.CodeUpstream, "connection to API server lost: %w", err)
}

// answer gathers the beginning of an answer. They are pooled with their
// buffers and timers.
type answer struct {
	mu     sync.Mutex // guards all below against the timer
	stream *stream.Stream
	buf    []byte // head, then body
	ready  int    // bytes of buf that may be sent
	sent   int    // bytes of buf that were sent
	held   bool   // the timer may send
	timer  *time.Timer
}

var answers = sync.Pool{New: func() any {
	w := &answer{buf: make([]byte, 0, maxHeld)}
	// A timer that fires late, for an answer that is past, sends what the next
	// one has ready: early, which is no harm.
	w.timer = time.AfterFunc(time.Hour, w.expire)
	w.timer.Stop()
	return w
}}

func (w *answer) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		w.held = false
		_ = w.flush() // an error is found again by the next write
	}
}

// flush sends what is ready.
func (w *answer) flush() error {
	if w.sent == w.ready {
		return nil
	}
	_, err := w.stream.Write(w.buf[w.sent:w.ready])
	w.sent = w.ready
	return err
}

// gather reads the body for at most the time hold and as far as one message goes.
// It reports true when it has sent all of the answer; otherwise all that it
// has read is sent.
func (w *answer) gather(ctx context.Context, resp *http.Response, hold time.Duration) (whole bool, err error) {
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
	w.timer.Reset(hold)
	space := w.buf[:cap(w.buf)]
	for at := w.ready; ; {
		n, rerr := resp.Body.Read(space[at:]) // beyond ready: not the timer's
		at += n
		w.mu.Lock()
		w.buf, w.ready = space[:at], at
		expired := !w.held
		if rerr != nil || expired || at == len(space) {
			w.held = false
			w.mu.Unlock()
			w.timer.Stop()
			switch {
			case errors.Is(rerr, io.EOF):
				return true, finishWhole(ctx, w.stream, w.buf[w.sent:], resp)
			case rerr != nil:
				_ = w.flush() // what came before the break
				return false, readError(ctx, w.stream, rerr)
			}
			return false, w.flush()
		}
		w.mu.Unlock()
	}
}

func (w *answer) release() {
	w.mu.Lock()
	w.held, w.stream, w.ready, w.sent = false, nil, 0, 0
	if cap(w.buf) > maxHeld { // a large head made it grow
		w.buf = make([]byte, 0, maxHeld)
	}
	w.mu.Unlock()
	answers.Put(w)
}
