package call

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Whose a time limit is, in [answer.TimeLimit].
const (
	OfCaller = "caller" // it was asked for
	OfBridge = "bridge" // the bridge's own, as none was asked for
	OfAgent  = "agent"  // the agent ended the request before either
)

// timeLimit bounds a request.
type timeLimit struct {
	after time.Duration // 0: none
	of    string
}

// limitOf is that of a request in memory.
func limitOf(req *Request) timeLimit {
	if req.Timeout == 0 {
		return timeLimit{DefaultTimeout, OfBridge}
	}
	return timeLimit{req.Timeout, OfCaller}
}

// bound returns a context that ends at the limit.
func (l timeLimit) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.after == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, l.after)
}

// tell adds to a failure whose time limit it is, if it is one. begun is when the request
// began.
func (l timeLimit) tell(ctx context.Context, f *answer.Failure, begun time.Time) *answer.Failure {
	if f.Kind != answer.TimedOut {
		return f
	}
	// The agent keeps the same limit, and its clock begins later.
	if took := time.Since(begun); l.after == 0 || ctx.Err() == nil && took < l.after-l.after/8 {
		return f.Timed(answer.TimeLimit{Of: OfAgent, After: took.Round(time.Millisecond)})
	}
	said := *f
	said.Detail = fmt.Sprintf("no complete answer within %s, the time limit that the caller gave; the outcome is unknown", l.after)
	if l.of == OfBridge {
		said.Detail = fmt.Sprintf("no complete answer within %s, the bridge's time limit for requests that give none; the outcome is unknown", l.after)
	}
	return said.Timed(answer.TimeLimit{Of: l.of, After: l.after})
}
