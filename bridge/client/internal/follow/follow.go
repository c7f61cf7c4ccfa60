package follow

import (
	"bufio"
	"context"
	"errors"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// Stream is one that is read. Its methods are called by the goroutine of [Follower.Read].
type Stream interface {
	// Next is the request of the next connection; nil: there is none to make.
	Next() *exchange.Request
	// Line takes a line, and reports whether it is the last that is read. After an error the
	// connection is given up; there is no other after an [exchange.FinalError]. The text is
	// valid until Line returns.
	Line(r *exchange.Request, text []byte) (last bool, err error)
	// Pause is the shortest wait before the next connection that the bridge has asked for.
	Pause() time.Duration
}

// Follower reads streams of a bridge.
type Follower struct {
	Bridge *exchange.Bridge
	// Silence is how long a connection may have nothing.
	Silence time.Duration
	// Judge says of a refusal whether another connection will have the same, and how long
	// the bridge has asked to wait for it.
	Judge func(err error) (final bool, wait time.Duration)
}

// leg is what became of one connection.
type leg struct {
	heard bool // something came
	done  bool // the stream is at its end, or its reader has left
	err   error
}

// Read makes one connection after the other until one is the last. It returns nil after
// that, and otherwise why there are no more: that of ctx, or what the next one would be told
// too.
func (f *Follower) Read(ctx context.Context, s Stream) error {
	began, limits := false, f.Bridge.Limits
	for failures := 1; ; failures++ {
		l := f.connect(ctx, s)
		began = began || l.heard
		final, asked := f.judge(l.err)
		switch {
		case l.done:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case final, !began && failures >= limits.Attempts:
			return l.err
		}
		if l.heard {
			failures = 1
		}
		if !exchange.Sleep(ctx, max(limits.Pause(failures), min(max(s.Pause(), asked), limits.MaxWait))) {
			<-ctx.Done() // or its deadline comes before the end of the pause
			return ctx.Err()
		}
	}
}

func (f *Follower) judge(err error) (final bool, wait time.Duration) {
	if _, ok := errors.AsType[*exchange.FinalError](err); ok {
		return true, 0
	}
	return f.Judge(err)
}

// connect reads lines until the stream of one connection ends.
func (f *Follower) connect(ctx context.Context, s Stream) (l leg) {
	r := s.Next()
	if r == nil {
		return leg{done: true}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := f.Bridge.Open(ctx, r)
	if err != nil {
		return leg{err: err}
	}
	defer res.Body.Close()
	silent := time.AfterFunc(f.Silence, cancel)
	defer silent.Stop()
	lines := exchange.Scanner(res.Body)
	for lines.Scan() {
		silent.Stop() // a reader may take its time
		l.heard = true
		if l.done, l.err = s.Line(r, lines.Bytes()); l.done || l.err != nil {
			return l
		}
		silent.Reset(f.Silence)
	}
	l.err = r.Broke(lines)
	if errors.Is(l.err, bufio.ErrTooLong) {
		l.err = &exchange.FinalError{Err: l.err} // it would be the next time
	}
	return l
}
