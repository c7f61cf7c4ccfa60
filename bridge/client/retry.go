package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Retry bounds what is sent again: requests that were not executed, which the bridge says
// by Retry-After or shows by not being there, and requests whose outcome is unknown but
// that may be made twice: GET, PUT and DELETE of the platform API, operations, which have a
// key, and calls of GET, HEAD and OPTIONS. Anything else is never sent again once it may have arrived.
type Retry struct {
	// Attempts is how often a request is sent at most. Default 4; 1 sends nothing again.
	Attempts int
	// Wait is the first pause, which doubles with every attempt. Each pause is shortened
	// at random by up to half, so that many clients do not come back at once. Default 200 ms.
	Wait time.Duration
	// MaxWait bounds every pause. Where the bridge asks for a longer one, its answer is
	// returned instead. Default 15 s.
	MaxWait time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 4
	}
	if r.Wait <= 0 {
		r.Wait = 200 * time.Millisecond
	}
	if r.MaxWait <= 0 {
		r.MaxWait = 15 * time.Second
	}
	return r
}

// pause is the wait after attempt n, which is 1 for the first.
func (r Retry) pause(n int) time.Duration {
	d := r.Wait << min(n-1, 16)
	if d > r.MaxWait || d <= 0 {
		d = r.MaxWait
	}
	return d - rand.N(d/2+1)
}

// maxAsked is the longest pause in seconds that a response may ask for: longer ones, which
// a Duration cannot have, are as long to any client.
const maxAsked = 1 << 30

// again decides about one attempt: whether the request may be sent again, and after what
// pause at least, which is 0 where the bridge has not asked for one.
func again(res *http.Response, err error, repeatable bool) (wait time.Duration, ok bool) {
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return 0, false
		}
		if op, is := errors.AsType[*net.OpError](err); is && op.Op == "dial" {
			return 0, true // it was not sent
		}
		op, is := errors.AsType[*net.OpError](err)
		lost := is && (op.Op == "read" || op.Op == "write") || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return 0, repeatable && lost
	}
	code := res.Header.Get("Fairlead-Error")
	after, err := strconv.Atoi(res.Header.Get("Retry-After"))
	wait = time.Duration(min(max(after, 0), maxAsked)) * time.Second
	asked := err == nil && after >= 0 && (res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable)
	switch {
	case asked && (code != "" || repeatable):
		return wait, true // the bridge sends it only if nothing was executed
	case !repeatable:
		return 0, false
	case code != "":
		return 0, code == string(ErrAPIServerConnectionLost) || code == string(ErrOutcomeUnknown)
	}
	switch res.StatusCode { // of a proxy in front of the bridge
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, true
	}
	return 0, false
}

// leg is what became of one connection of a stream that goes on over many.
type leg struct {
	heard bool          // something came
	done  bool          // the stream is at its end, or its reader has left
	wait  time.Duration // the shortest pause before the next one; 0: the client's own
	err   error
}

// goOn makes one connection after the other until one is the last. What comes to nothing
// from the beginning is tried as often as a request; once something was heard, for as long
// as ctx lasts. It returns nil after the last one, and otherwise why there are no more:
// that of ctx, or what the next one would be told too.
func (c *Client) goOn(ctx context.Context, next func() leg) error {
	began := false
	for failures := 1; ; failures++ {
		l := next()
		began = began || l.heard
		switch {
		case l.done:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case refused(l.err), !began && failures >= c.retry.Attempts:
			return l.err
		}
		if l.heard {
			failures = 1
		}
		if !sleep(ctx, max(c.retry.pause(failures), min(l.wait, c.retry.MaxWait))) {
			<-ctx.Done() // or its deadline comes before the end of the pause
			return ctx.Err()
		}
	}
}

// refused reports whether an error will be the same the next time.
func refused(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Problem.Status < 500 && e.Problem.Status != http.StatusTooManyRequests
	}
	_, ok := errors.AsType[*setupError](err)
	return ok
}

// sleep waits, and reports false if the context has ended, or will before.
func sleep(ctx context.Context, d time.Duration) bool {
	if until, ok := ctx.Deadline(); ok && time.Until(until) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
