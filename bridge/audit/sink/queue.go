package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Sink takes lines. It is used by one goroutine.
type Sink interface {
	// Write writes whole lines; sync makes them survive a loss of power. After an
	// error none of them is taken for written.
	Write(lines []byte, sync bool) error
	// Tick is called about once a second for what is due.
	Tick(now time.Time) error
	// Close writes what is in memory and closes the sink.
	Close() error
}

// Bounds of a queue.
const (
	// MaxPending bounds the lines that wait for the sink, in bytes: several thousand
	// events, which is a second or more of a busy bridge.
	MaxPending = 8 << 20
	// linger is how long lines that nobody waits for are kept for others to share their
	// write: at 8,000 lines a second, 160 do. A line of 1.2 KB costs 0.35 us of a write of
	// 200 KB, 0.55 us of one of 48 KB, and 2 us of its own.
	linger = 20 * time.Millisecond
	// enough lines, in bytes, are written at once.
	enough = 256 << 10
	// maxSpare bounds the memory that is kept for each of the next two batches, in bytes.
	maxSpare = 2 << 20
	// closeTimeout bounds the wait for a sink that hangs, at the end of the process.
	closeTimeout = 5 * time.Second
	// reportInterval is the shortest time between two lines of the log about loss.
	reportInterval = time.Minute
)

// The reasons why a queue does not take a line.
var (
	ErrFull   = errors.New("too many lines are waiting to be written")
	ErrClosed = errors.New("the queue is closed")
)

// Queue is safe for concurrent use.
type Queue struct {
	sink Sink
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	pending *batch     // nil: nothing waits
	writing *batch     // nil: nothing is being written
	spares  [2][]byte  // memory for the lines of a batch; nil: none
	closed  bool

	wake    chan struct{} // of capacity 1: there is a batch
	hurry   chan struct{} // of capacity 1: a batch shall not linger
	closing chan struct{}
	stopped chan struct{} // closed when run has returned
	err     error         // of closing the sink; set before stopped is closed

	written, dropped, failed atomic.Uint64

	// Used by run alone.
	reported time.Time // when loss was last logged
	told     uint64    // lines that were lost by then
	last     error     // why lines were lost last
}

// batch is what one write takes.
type batch struct {
	lines []byte
	count uint64
	sync  bool
	hurry bool          // it does not linger
	done  chan struct{} // closed once err is final; nil: nobody waits
	err   error
}

// NewQueue starts a queue that gives its lines to s, which it closes. The logger is
// told of loss, at most once a minute.
func NewQueue(s Sink, log *slog.Logger) *Queue {
	q := &Queue{
		sink: s, log: log,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go q.run()
	return q
}

// Add copies a line, which ends in a newline, and writes it within 20 ms, unless the
// sink is slower. It does not block; a line that finds the queue full or closed is
// dropped.
func (q *Queue) Add(line []byte) {
	if _, err := q.put(line, false, false); err != nil {
		q.dropped.Add(1)
	}
}

// Commit copies a line, which ends in a newline, and waits until it has been written,
// and with sync until it is on the disk. The error says why it may not be, and is
// ctx's cause where ctx ended first.
func (q *Queue) Commit(ctx context.Context, line []byte, sync bool) error {
	b, err := q.put(line, sync, true)
	if err != nil {
		q.dropped.Add(1)
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("still being written: %w", context.Cause(ctx))
	}
}

// put adds a line to the batch that is written next.
func (q *Queue) put(line []byte, sync, wait bool) (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.pending
	switch {
	case q.closed:
		return nil, ErrClosed
	case b == nil:
		// One is needed while another is being written.
		b = &batch{lines: q.spares[0]}
		q.pending, q.spares = b, [2][]byte{q.spares[1]}
		signal(q.wake)
	case len(b.lines)+len(line) > MaxPending:
		return nil, ErrFull
	}
	b.lines = append(b.lines, line...)
	b.count++
	b.sync = b.sync || sync
	if wait && b.done == nil {
		b.done = make(chan struct{})
	}
	if !b.hurry && (wait || len(b.lines) >= enough) {
		b.hurry = true
		signal(q.hurry)
	}
	return b, nil
}

// signal sends on a channel of capacity 1, unless what it says has been said.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Counts returns how many lines were written, how many were dropped because the queue
// was full or closed, and how many the sink failed to write.
func (q *Queue) Counts() (written, dropped, failed uint64) {
	return q.written.Load(), q.dropped.Load(), q.failed.Load()
}

// Waiting returns how many lines wait for the sink, those among them that it is writing,
// and their bytes.
func (q *Queue) Waiting() (lines uint64, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range []*batch{q.pending, q.writing} {
		if b != nil {
			lines, bytes = lines+b.count, bytes+len(b.lines)
		}
	}
	return lines, bytes
}

// Close writes what waits and closes the sink. It waits for at most 5 s. Only the
// first call closes; the others wait as well.
func (q *Queue) Close() error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
	q.mu.Unlock()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-q.stopped:
		return q.err
	case <-timer.C:
		return fmt.Errorf("the sink did not close within %v", closeTimeout)
	}
}

func (q *Queue) run() {
	defer close(q.stopped)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		select {
		case <-q.wake:
			timer.Reset(linger)
			select {
			case <-timer.C:
			case <-q.hurry:
			case <-q.closing:
			}
			q.flush()
			q.report(time.Now())
		case now := <-ticker.C:
			if err := q.sink.Tick(now); err != nil {
				q.last = err
				q.log.Warn("audit sink", "error", err)
			}
			q.report(now)
		case <-q.closing:
			q.flush()
			q.reported = time.Time{}
			q.report(time.Now())
			q.err = q.sink.Close()
			return
		}
	}
}

// flush writes what waits.
func (q *Queue) flush() {
	q.mu.Lock()
	b := q.pending
	q.pending, q.writing = nil, b
	q.mu.Unlock()
	if b == nil {
		return
	}
	b.err = q.sink.Write(b.lines, b.sync)
	q.mu.Lock()
	q.writing = nil
	q.mu.Unlock()
	if b.err != nil {
		q.failed.Add(b.count)
		q.last = b.err
	} else {
		q.written.Add(b.count)
	}
	if b.done != nil {
		close(b.done)
	}
	if cap(b.lines) > maxSpare {
		return
	}
	q.mu.Lock()
	if q.spares[0] == nil {
		q.spares[0] = b.lines[:0]
	} else if q.spares[1] == nil {
		q.spares[1] = b.lines[:0]
	}
	q.mu.Unlock()
}

// report logs that lines were lost, at most once a minute.
func (q *Queue) report(now time.Time) {
	lost := q.dropped.Load() + q.failed.Load()
	if lost == q.told || now.Sub(q.reported) < reportInterval {
		return
	}
	cause := q.last
	if cause == nil {
		cause = ErrFull
	}
	q.log.Error("audit events were lost", "events", lost-q.told, "error", cause)
	q.told, q.reported, q.last = lost, now, nil
}
