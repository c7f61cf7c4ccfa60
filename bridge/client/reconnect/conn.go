package reconnect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

const (
	// Hold is how long a bridge keeps a connection without an attachment.
	Hold = resume.Hold
	// UnknownFor is how long a client goes on asking where bridges say that they do not
	// have the connection: behind a load balancer another one may.
	UnknownFor = 20 * time.Second
	// CloseTime is how long Close waits until the bridge knows.
	CloseTime = time.Second
	// partTime bounds how long the bridge is told that a connection is over.
	partTime = 10 * time.Second
	// firstPause is that before the second attempt to attach. Pauses double up to
	// maxPause.
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
	// brief is how long an attachment lasts at most that the next one waits for as for an
	// attempt that failed.
	brief = time.Second
)

// ErrLost is wrapped by the errors of a connection that could not be attached again.
var ErrLost = errors.New("the connection to the bridge was lost for good")

// conn is a connection that attaches itself to the bridge again and again.
type conn struct {
	*resume.Conn
	dialer *Dialer
	http   *http.Client
	url    string
	ended  chan struct{}   // it needs no attachment any more
	ctx    context.Context // ends when Close has waited long enough
	cancel context.CancelFunc
}

// Close ends the connection. It waits up to [CloseTime] until the bridge knows, since a
// program may end now, and a bridge that does not know keeps the request for [Hold].
func (c *conn) Close() error {
	err := c.Conn.Close()
	t := time.NewTimer(CloseTime)
	defer t.Stop()
	select {
	case <-c.ended:
	case <-t.C:
	}
	c.cancel()
	return err
}

// keep keeps the connection attached until it needs that no more.
func (c *conn) keep(a *attachment) {
	defer close(c.ended)
	pause := time.Duration(0) // before the next attachment
	for {
		begun := time.Now()
		err := c.carry(a)
		if errors.Is(err, resume.ErrUnconfirmed) {
			c.part()
		}
		if c.Done() || c.ctx.Err() != nil {
			c.Fail(net.ErrClosed)
			return
		}
		if errors.Is(err, resume.ErrStale) {
			c.Fail(fmt.Errorf("%w: %w", ErrLost, err))
			return
		}
		if c.dialer.Lost != nil {
			c.dialer.Lost(err)
		}
		since := time.Now()
		if since.Sub(begun) > brief {
			pause = 0
		}
		if pause > 0 { // whatever lets attachments begin and cuts them, is not flooded with them
			sleep.For(c.ctx, pause-rand.N(pause/2))
		}
		pause = min(max(2*pause, firstPause), maxPause)
		if a, err = c.again(c.ctx, err); err != nil {
			c.Fail(err)
			return
		}
		if c.dialer.Back != nil {
			c.dialer.Back(time.Since(since))
		}
	}
}

// carry carries the connection until an attachment ends.
func (c *conn) carry(a *attachment) error {
	defer a.ws.CloseNow()
	return c.Attach(c.ctx, resume.WebSocket(a.ws), a.received)
}

// part tells the bridge that the connection is over, so that it does not keep it for [Hold].
func (c *conn) part() {
	ctx, cancel := context.WithTimeout(c.ctx, partTime)
	defer cancel()
	for pause := firstPause; ctx.Err() == nil; pause *= 2 {
		a, err := c.dial(ctx, false)
		if err == nil {
			err = c.carry(a)
		}
		if err == nil || errors.Is(err, client.ErrUnknownConnection) || final(err) {
			return
		}
		sleep.For(ctx, pause)
	}
}

// again attaches once more. cause is why the last attachment ended.
func (c *conn) again(ctx context.Context, cause error) (*attachment, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Hold, fmt.Errorf("not within %v", Hold))
	defer cancel()
	var unknown time.Time // since when bridges say that they do not have it
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		a, err := c.dial(ctx, false)
		if err == nil {
			return a, nil
		}
		if ctx.Err() == nil {
			cause = err // that the time is over says nothing
		}
		switch {
		case errors.Is(err, client.ErrUnknownConnection) && unknown.IsZero():
			unknown = time.Now()
		case errors.Is(err, client.ErrUnknownConnection):
		case final(err):
			return nil, fmt.Errorf("%w: %w", ErrLost, err)
		default:
			unknown = time.Time{}
		}
		if ctx.Err() != nil || !unknown.IsZero() && time.Since(unknown) > UnknownFor {
			return nil, fmt.Errorf("%w: %w", ErrLost, cause)
		}
		sleep.For(ctx, pause-rand.N(pause/2))
	}
}

// final reports whether a refusal is one that no later attempt will change.
func final(err error) bool {
	if errors.Is(err, resume.ErrProtocol) {
		return true
	}
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Problem.Code != "" && e.Problem.Status < 500 && e.Problem.Status != http.StatusTooManyRequests
}
