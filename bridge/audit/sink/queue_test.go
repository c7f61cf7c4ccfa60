package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// script is a sink in memory.
type script struct {
	mu     sync.Mutex
	lines  []byte
	writes int
	syncs  int
	err    error
	gate   chan struct{} // a write waits for it; nil: it does not
	closed bool
}

func (s *script) Write(lines []byte, sync bool) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.lines = append(s.lines, lines...)
	s.writes++
	if sync {
		s.syncs++
	}
	return nil
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *script) Tick(time.Time) error { return nil }

func (s *script) Close() error {
	s.closed = true
	return nil
}

func TestQueueWritesEverythingInOrder(t *testing.T) {
	s := &script{}
	q := NewQueue(s, slog.New(slog.DiscardHandler))
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if i%100 != 99 {
			q.Add([]byte(line))
			continue
		}
		if err := q.Commit(t.Context(), []byte(line), i%200 == 99); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		if string(s.lines) != want.String() {
			t.Errorf("acknowledged line %d, and the sink has %d bytes of %d", i, len(s.lines), want.Len())
		}
		s.mu.Unlock()
	}
	q.Add([]byte("last\n"))
	if err := q.Close(); err != nil || !s.closed {
		t.Errorf("close: %v, sink closed: %v", err, s.closed)
	}
	if got := string(s.lines); got != want.String()+"last\n" {
		t.Errorf("the sink has %d bytes, want %d", len(got), want.Len()+5)
	}
	if s.syncs != 5 {
		t.Errorf("%d syncs, want 5", s.syncs)
	}
	if written, dropped, failed := q.Counts(); written != 1001 || dropped != 0 || failed != 0 {
		t.Errorf("counts %d, %d, %d", written, dropped, failed)
	}
	if err := q.Commit(t.Context(), []byte("x\n"), false); !errors.Is(err, ErrClosed) {
		t.Errorf("commit to a closed queue: %v", err)
	}
}

// What waits while the sink is busy shares one write.
func TestCommitsShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{gate: make(chan struct{})}
		q := NewQueue(s, slog.New(slog.DiscardHandler))
		defer q.Close()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := q.Commit(context.Background(), []byte("x\n"), true); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // at most one write is under way, and all lines are in the queue
		close(s.gate)
		wg.Wait()
		if s.writes > 2 || bytes.Count(s.lines, []byte("\n")) != 100 {
			t.Errorf("%d lines in %d writes, want 100 in at most 2", bytes.Count(s.lines, []byte("\n")), s.writes)
		}
	})
}

// Lines that nobody waits for share a write, and no other line waits for that.
func TestLinesLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		q := NewQueue(s, slog.New(slog.DiscardHandler))
		for i := range 3 {
			for range 100 {
				q.Add([]byte("x\n"))
			}
			synctest.Wait()
			if n := s.count(); n != i {
				t.Errorf("written %d times before the lines lingered, want %d", n, i)
			}
			time.Sleep(linger)
			synctest.Wait()
			if n := s.count(); n != i+1 {
				t.Errorf("%d batches were written %d times", i+1, n)
			}
		}
		start := time.Now()
		q.Add([]byte("x\n"))
		if err := q.Commit(t.Context(), []byte("y\n"), false); err != nil {
			t.Fatal(err)
		}
		q.Add(append(bytes.Repeat([]byte("z"), enough), '\n'))
		synctest.Wait()
		if took, n := time.Since(start), s.count(); took != 0 || n != 5 {
			t.Errorf("%d writes after %v, want 5 at once", n, took)
		}
		q.Add([]byte("last\n"))
		if err := q.Close(); err != nil || time.Since(start) != 0 || !bytes.HasSuffix(s.lines, []byte("zz\nlast\n")) {
			t.Errorf("close: %v, after %v", err, time.Since(start))
		}
	})
}

// A sink that hangs neither blocks Add nor takes memory without a bound, and a
// Commit ends with its context.
func TestSinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{gate: make(chan struct{})}
		var log bytes.Buffer
		q := NewQueue(s, slog.New(slog.NewTextHandler(&log, nil)))
		q.Add([]byte("first\n"))
		time.Sleep(2 * linger)
		synctest.Wait() // it is being written
		line := append(bytes.Repeat([]byte("x"), 1<<20-1), '\n')
		for range 20 {
			q.Add(line)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Commit(ctx, line, true); !errors.Is(err, ErrFull) {
			t.Errorf("commit to a full queue: %v", err)
		}
		if err := q.Commit(ctx, []byte("\n"), true); !errors.Is(err, ErrFull) {
			t.Errorf("commit to a full queue: %v", err)
		}
		if _, dropped, _ := q.Counts(); dropped != 14 {
			t.Errorf("%d lines dropped, want the 12 that are above 8 MiB and 2 commits", dropped)
		}
		close(s.gate)
		synctest.Wait()
		if len(s.lines) != MaxPending+6 {
			t.Errorf("the sink got %d bytes", len(s.lines))
		}
		if n := strings.Count(log.String(), "events=14"); n != 1 {
			t.Errorf("loss was logged %d times: %s", n, log.String())
		}
		q.Close()

		s.gate = make(chan struct{})
		q = NewQueue(s, slog.New(slog.DiscardHandler))
		if err := q.Commit(ctx, []byte("y\n"), true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("commit to a sink that hangs: %v", err)
		}
		if err := q.Close(); err == nil {
			t.Error("a sink that hangs was closed")
		}
		close(s.gate)
		q.Close()
	})
}

// A failing sink fails commits with its error, is counted, and is logged once a minute.
func TestSinkThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("no space left on device")
		s := &script{err: fault}
		var log bytes.Buffer
		q := NewQueue(s, slog.New(slog.NewTextHandler(&log, nil)))
		for range 130 {
			if err := q.Commit(t.Context(), []byte("x\n"), true); !errors.Is(err, fault) {
				t.Fatalf("commit: %v, want the sink's error", err)
			}
			q.Add([]byte("y\n"))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "audit events were lost"); n != 3 {
			t.Errorf("loss was logged %d times in 130 s, want 3: %s", n, log.String())
		}
		if _, _, failed := q.Counts(); failed != 260 {
			t.Errorf("%d failed, want 260", failed)
		}
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		if err := q.Commit(t.Context(), []byte("good\n"), true); err != nil {
			t.Errorf("commit after the fault: %v", err)
		}
		q.Close()
		if !slices.Equal(s.lines, []byte("good\n")) {
			t.Errorf("the sink has %q", s.lines)
		}
	})
}

// TestWaiting: what waits is told, and what is being written.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{gate: make(chan struct{})}
		q := NewQueue(s, slog.New(slog.DiscardHandler))
		want := func(lines uint64, bytes int) {
			t.Helper()
			if l, b := q.Waiting(); l != lines || b != bytes {
				t.Errorf("%d lines of %d bytes wait, want %d of %d", l, b, lines, bytes)
			}
		}
		want(0, 0)
		q.Add([]byte("one\n"))
		want(1, 4)
		time.Sleep(2 * linger)
		synctest.Wait() // it is being written
		q.Add([]byte("three\n"))
		want(2, 10)
		close(s.gate)
		time.Sleep(2 * linger)
		synctest.Wait()
		want(0, 0)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}
