package exchange

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

// Limits bound what is sent again. All are positive.
type Limits struct {
	// Attempts is how often a request is sent at most.
	Attempts int
	// Wait is the first pause, and MaxWait the longest.
	Wait, MaxWait time.Duration
}

// Pause is the wait after attempt n, which is 1 for the first: it doubles with every attempt,
// and is shortened at random by up to half.
func (l Limits) Pause(n int) time.Duration {
	d := l.Wait << min(n-1, 16)
	if d > l.MaxWait || d <= 0 {
		d = l.MaxWait
	}
	return d - rand.N(d/2+1)
}

// Asked is a pause that a bridge asks for in seconds. Those that a Duration cannot have are
// as long to any client as 34 years are.
func Asked(seconds int) time.Duration {
	return time.Duration(min(max(seconds, 0), 1<<30)) * time.Second
}

// Codes of refusals after which a request may have been executed.
const (
	connectionLost = "api-server-connection-lost"
	outcomeUnknown = "outcome-unknown"
)

// again decides about one attempt: whether the request may be sent again, and after what
// pause at least, which is 0 where the bridge has not asked for one.
func again(res *http.Response, err error, repeatable bool) (wait time.Duration, ok bool) {
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return 0, false
		}
		op, is := errors.AsType[*net.OpError](err)
		if is && op.Op == "dial" {
			return 0, true // it was not sent
		}
		lost := is && (op.Op == "read" || op.Op == "write") || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return 0, repeatable && lost
	}
	code := res.Header.Get("Fairlead-Error")
	after, err := strconv.Atoi(res.Header.Get("Retry-After"))
	wait = Asked(after)
	asked := err == nil && after >= 0 && (res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable)
	switch {
	case asked && (code != "" || repeatable):
		return wait, true // the bridge sends it only if nothing was executed
	case !repeatable:
		return 0, false
	case code != "":
		return 0, code == connectionLost || code == outcomeUnknown
	}
	switch res.StatusCode { // of a proxy in front of the bridge
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, true
	}
	return 0, false
}

// Sleep waits, and reports false if the context has ended, or will before.
func Sleep(ctx context.Context, d time.Duration) bool {
	if until, ok := ctx.Deadline(); ok && time.Until(until) < d {
		return false
	}
	return sleep.For(ctx, d)
}
