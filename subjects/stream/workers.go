package stream

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// workers runs handlers on goroutines that are used again: starting one for
// each stream costs a tenth of the rate (each new stack has to grow again). An idle
// one ends after workerIdle.
type workers struct {
	ep   *Endpoint
	next chan *Stream
	quit chan struct{}
	wg   sync.WaitGroup

	running atomic.Int64 // handlers that have not returned

	mu     sync.Mutex // guards closed, and wg.Add against wg.Wait
	closed bool
}

func (w *workers) init(e *Endpoint) {
	w.ep = e
	w.next = make(chan *Stream)
	w.quit = make(chan struct{})
}

// run has the handler called for s. It does not block.
func (w *workers) run(s *Stream) {
	w.running.Add(1)
	select {
	case w.next <- s:
	default:
		w.mu.Lock()
		closed := w.closed
		if !closed {
			w.wg.Add(1)
		}
		w.mu.Unlock()
		if closed {
			w.running.Add(-1)
			s.Reset(subjects.CodeDraining, "the instance is stopping")
			return
		}
		go w.loop(s)
	}
}

func (w *workers) loop(s *Stream) {
	defer w.wg.Done()
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		w.serve(s)
		s = nil
		idle.Reset(workerIdle)
		select {
		case s = <-w.next:
		case <-idle.C:
			return
		case <-w.quit:
			return
		}
	}
}

// serve calls the handler. One that panics takes its stream with it, not the
// process; the text of the panic is only for the log.
func (w *workers) serve(s *Stream) {
	defer w.running.Add(-1)
	defer s.closeHandled()
	defer func() {
		if v := recover(); v != nil {
			w.ep.cfg.Logger.Error("stream handler panicked",
				"peer", s.Addr(), "stream", s.id, "panic", v, "stack", string(debug.Stack()))
			s.Reset(subjects.CodeInternal, "")
		}
	}()
	w.ep.cfg.Handler(s)
}

// close waits for the handlers that run and ends the goroutines.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	close(w.quit)
	w.wg.Wait()
}
