package stream

import (
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// workers runs handlers on goroutines that are used again: starting one for
// each stream costs a tenth of the rate (stacks grow anew each time). An idle
// one ends after workerIdle.
type workers struct {
	ep   *Endpoint
	next chan *Stream
	quit chan struct{}
	wg   sync.WaitGroup

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
	select {
	case w.next <- s:
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closed {
			s.Reset(subjects.CodeDraining, "the instance is stopping")
			return
		}
		w.wg.Add(1)
		go w.loop(s)
	}
}

func (w *workers) loop(s *Stream) {
	defer w.wg.Done()
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		w.ep.cfg.Handler(s)
		s.closeHandled()
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

// close waits for the handlers that run and ends the goroutines.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	close(w.quit)
	w.wg.Wait()
}
