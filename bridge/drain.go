package bridge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// drainLogInterval is how often a drain says what it still waits for: often
// enough for who has pressed Ctrl-C.
const drainLogInterval = 5 * time.Second

// Drain stops listening, ends watches, lets other running requests and upgraded
// connections end, and ends those that are left when ctx ends; it then returns
// ctx's error. It logs what it waits for.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	drained := make(chan struct{})
	var logging sync.WaitGroup
	logging.Go(func() { s.logDrain(ctx, drained) })
	err := s.http.Shutdown(ctx)
	upgraded := make(chan struct{})
	go func() {
		defer close(upgraded)
		s.upgraded.Wait()
	}()
	select {
	case <-upgraded:
	case <-ctx.Done():
		err = ctx.Err()
	}
	close(drained)
	logging.Wait()
	s.cancel(errStopping) // also what hijacked connections go by
	<-upgraded
	s.Close()
	return err
}

// Close ends everything at once.
func (s *Server) Close() {
	s.draining.Store(true)
	s.leave()
	s.cancel(errStopping)
	_ = s.http.Close()
	s.upgraded.Wait()
}

// Draining reports whether the server takes no new connections.
func (s *Server) Draining() bool { return s.draining.Load() }

// logDrain says what is waited for, at once and now and then, until drained is
// closed or ctx ends.
func (s *Server) logDrain(ctx context.Context, drained <-chan struct{}) {
	t := time.NewTicker(drainLogInterval)
	defer t.Stop()
	for {
		upgraded := s.upgraded.n.Load()
		requests := max(s.running.Load()-upgraded, 0)
		left := ""
		if end, ok := ctx.Deadline(); ok {
			left = ", up to " + max(time.Until(end), 0).Round(100*time.Millisecond).String()
		}
		s.cfg.Logger.Info(fmt.Sprintf("draining: %s and %s%s",
			count(requests, "request"), count(upgraded, "upgraded connection"), left))
		select {
		case <-t.C:
		case <-drained:
			return
		case <-ctx.Done():
			return
		}
	}
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// countedGroup is a WaitGroup that tells its counter.
type countedGroup struct {
	wg sync.WaitGroup
	n  atomic.Int64
}

func (g *countedGroup) Add(n int) {
	g.wg.Add(n)
	g.n.Add(int64(n))
}

func (g *countedGroup) Done() {
	g.n.Add(-1)
	g.wg.Done()
}

func (g *countedGroup) Wait() { g.wg.Wait() }

// endAtLeave ends the response of a watch in an orderly way when the server
// drains, as an API server does, so that its client resumes it at another
// bridge at once. stop must be called before the exchange is closed.
func (x *exchange) endAtLeave(leaving context.Context) (stop func() bool) {
	st := x.st
	return context.AfterFunc(leaving, func() {
		x.left.Store(true)
		st.Reset(subjects.CodeCanceled, errStopping.Error())
	})
}
