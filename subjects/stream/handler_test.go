package stream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestHandlerPanics: a panic ends its stream, is logged once with its stack, and
// leaves the other streams alone.
func TestHandlerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := newPair(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, faults{delay: time.Millisecond}, func(s *Stream) {
			b, _ := s.Next()
			switch string(b) {
			case "panic":
				panic("a defect")
			case "exit":
				runtime.Goexit()
			}
			_ = s.WriteFinal(b)
		})
		defer p.close()
		for what, code := range map[string]subjects.Code{"panic": subjects.CodeInternal, "exit": subjects.CodeCanceled, "fine": 0} {
			s, err := p.opener.Open(t.Context(), "agent", []byte(what), true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(s); subjects.CodeOf(err) != code {
				t.Errorf("%s: %v, want %v", what, err, code)
			}
			if err := s.Err(); err != nil && strings.Contains(err.Error(), "a defect") {
				t.Errorf("the panic's text crossed the wire: %v", err)
			}
			s.Close()
		}
		p.empty(t)
		p.close() // nothing is logged from here on
		if got := log.String(); strings.Count(got, "stream handler panicked") != 1 || !strings.Contains(got, "a defect") || !strings.Contains(got, "handler_test.go") {
			t.Errorf("logged %q, want the panic and its stack, once", got)
		}
	})
}

// TestHandlersAreBounded: a handler that does not notice a cancellation still
// counts, or a flood of cancelled requests would start handlers without end.
func TestHandlersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		release := make(chan struct{})
		e, p, _ := alone(t, Config{MaxStreams: 10, Handler: func(*Stream) {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
		}})
		for id := uint64(1); id <= 100; id++ {
			e.Receive(p, data(open|fin, id, 0, "x"))
			e.Receive(p, reset(id, subjects.CodeCanceled))
			synctest.Wait()
		}
		if n := most.Load(); n > 10 {
			t.Errorf("%d handlers ran at once, MaxStreams is 10", n)
		}
		close(release)
		e.Close()
	})
}

func TestCancelStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		var handlers atomic.Int32
		p := newPair(t, Config{}, faults{delay: time.Millisecond, drop: 0.02}, func(s *Stream) {
			handlers.Add(1)
			defer handlers.Add(-1)
			<-s.Context().Done()
		})
		defer p.close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const n = 1000
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				s, err := p.opener.Open(ctx, "agent", []byte("watch"), true)
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeCanceled {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		if h := handlers.Load(); h != n {
			t.Errorf("%d of %d watches run", h, n)
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Second)
		if h := handlers.Load(); h > n/20 {
			t.Errorf("%d handlers run a second after the cancellation", h)
		}
		time.Sleep(5 * time.Second)
		p.empty(t)
		if h := handlers.Load(); h != 0 {
			t.Errorf("%d handlers left", h)
		}
		for _, e := range []*Endpoint{p.opener, p.acceptor} {
			for _, q := range e.all() {
				q.mu.Lock()
				if len(q.work.unconfirmed) > 0 || q.budget.used != 0 || len(q.budget.waiters) > 0 {
					t.Errorf("left: %d resets, %d bytes of budget", len(q.work.unconfirmed), q.budget.used)
				}
				q.mu.Unlock()
			}
			if e.grown.Load() != 0 {
				t.Errorf("%d bytes of grown windows left", e.grown.Load())
			}
		}
		// Two wires and two engines with two goroutines each remain. For a moment the
		// runtime also counts goroutines that have just ended.
		left := runtime.NumGoroutine()
		for range 1_000_000 {
			if left <= before+8 {
				break
			}
			runtime.Gosched()
			left = runtime.NumGoroutine()
		}
		if left > before+8 {
			t.Errorf("%d goroutines, %d at the start", left, before)
		}
	})
}
